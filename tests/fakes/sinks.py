"""Small servers that take alerts: HTTP over trio, SMTP over trio with and without TLS."""

import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

_HEAD_BYTES_MAX = 65_536


class Posted(NamedTuple):
    """One request as it came."""

    target: str
    headers: Mapping[str, str]
    body: bytes


class HttpSink:
    """Takes POSTs and answers what it is told to."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.statuses: list[int] = []
        """Answers to come; then 200."""
        self.retry_after = ""
        self.silent = False
        self.url = ""
        self._changed = trio.Event()

    async def wait_posted(self, count: int) -> list[Posted]:
        """Wait until so many requests came; return all."""
        with trio.fail_after(10):
            while len(self.posted) < count:
                await self._changed.wait()
        return self.posted

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["HttpSink"]:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1"))
            self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            yield self
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    chunk = await stream.receive_some(_HEAD_BYTES_MAX)
                    if not chunk:
                        return
                    data += chunk
                head, _, data = data.partition(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                length = int(headers.get("content-length", "0"))
                while len(data) < length:
                    data += await stream.receive_some(_HEAD_BYTES_MAX)
                body, data = data[:length], data[length:]
                self.posted.append(Posted(first.split(" ")[1], headers, body))
                self._changed.set()
                self._changed = trio.Event()
                if self.silent:
                    await trio.sleep_forever()
                status = self.statuses.pop(0) if self.statuses else 200
                retry = f"Retry-After: {self.retry_after}\r\n" if self.retry_after else ""
                await stream.send_all(f"HTTP/1.1 {status} x\r\n{retry}Content-Length: 2\r\n\r\nok".encode())
        except trio.BrokenResourceError:
            pass  # the client gave up


class SmtpSink:
    """Takes mails; refuses whom and what it is told to. It speaks as much of RFC 5321 as a client needs."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, implicit: bool = False, login: str | None = None) -> None:
        """`tls`: offered as STARTTLS, or used from the first byte when `implicit`; `login`: AUTH PLAIN wanted."""
        self.mails: list[tuple[str, tuple[str, ...], EmailMessage]] = []
        """Envelope sender, envelope recipients, mail."""
        self.answers: dict[str, str] = {}
        """Answers in place of the usual ones, by verb (`MAIL`, `DATA`, `.`) or `RCPT <address>`."""
        self.seen: list[str] = []
        """Every line of the client's but the mails'."""
        self.port = 0
        self._tls, self._implicit, self._login = tls, implicit, login

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["SmtpSink"]:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1"))
            self.port = listeners[0].socket.getsockname()[1]
            yield self
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            if self._tls is not None and self._implicit:
                stream = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
            await _Talk(self, stream, secure=self._implicit).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client gave up


class _Talk:
    """One connection."""

    def __init__(self, sink: SmtpSink, stream: trio.abc.Stream, *, secure: bool) -> None:
        self._sink, self._stream, self._secure = sink, stream, secure
        self._data = b""
        self._sender = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        await self._say(self._sink.answers.get("CONNECT", "220 sink"))
        while (line := await self._line()) is not None:
            self._sink.seen.append(line)
            verb = line.split(" ")[0].upper()
            handler: Callable[[str], object] | None = getattr(self, f"_on_{verb.lower()}", None)
            answer = self._sink.answers.get(verb)
            if verb == "STARTTLS" and answer is None:
                await self._say("220 go ahead")
                assert self._sink._tls is not None
                self._stream = trio.SSLStream(self._stream, self._sink._tls, server_side=True, https_compatible=True)
                self._secure = True
            elif verb == "DATA" and answer is None:
                await self._take_mail()
            elif answer is not None:
                await self._say(answer)
            else:
                await self._say(str(handler(line)) if handler is not None else "500 what?")
            if verb == "QUIT":
                return

    def _on_ehlo(self, _line: str) -> str:
        offers = ["sink"]
        if self._sink._tls is not None and not self._secure:
            offers.append("STARTTLS")
        if self._sink._login is not None:
            offers.append("AUTH PLAIN")
        return "\r\n".join([f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"])

    def _on_auth(self, line: str) -> str:
        return "235 welcome" if line.rsplit(" ", maxsplit=1)[-1] == self._sink._login else "535 no"

    def _on_mail(self, line: str) -> str:
        self._sender, self._recipients = line.split("<")[1].split(">", maxsplit=1)[0], []
        return "250 ok"

    def _on_rcpt(self, line: str) -> str:
        recipient = line.split("<")[1].split(">", maxsplit=1)[0]
        refusal = self._sink.answers.get(f"RCPT {recipient}")
        if refusal is None:
            self._recipients.append(recipient)
        return refusal or "250 ok"

    def _on_rset(self, _line: str) -> str:
        return "250 ok"

    def _on_quit(self, _line: str) -> str:
        return "221 bye"

    async def _take_mail(self) -> None:
        await self._say("354 go on")
        lines: list[str] = []
        while (line := await self._line()) != ".":
            assert line is not None, "the client left in the middle of a mail"
            lines.append(line.removeprefix("."))
        mail = message_from_bytes("\r\n".join(lines).encode(), policy=default)
        assert isinstance(mail, EmailMessage)
        answer = self._sink.answers.get(".")
        if answer is None:
            self._sink.mails.append((self._sender, tuple(self._recipients), mail))
        await self._say(answer or "250 taken")

    async def _line(self) -> str | None:
        while b"\r\n" not in self._data:
            chunk = await self._stream.receive_some(_HEAD_BYTES_MAX)
            if not chunk:
                return None
            self._data += chunk
        line, _, self._data = self._data.partition(b"\r\n")
        return line.decode()

    async def _say(self, answer: str) -> None:
        await self._stream.send_all(f"{answer}\r\n".encode())


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Make a server's TLS context for `localhost`, and the file of the certificate to trust."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    words += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, str(certificate)
