"""What client libraries say before they get to work, and `COMMAND DOCS`, from which redis-cli makes its hints."""

import hmac
from collections.abc import Mapping

from config.schema import Secret
from ops.socket.command import Arguments, Command
from ops.socket.commands import COMMANDS
from ops.socket.resp import OK, ErrorReply, SimpleString
from ops.socket.session import Session

PROTOCOL_VERSIONS = (2, 3)
_SINCE = "0.1.0"

HANDSHAKE: Mapping[str, tuple[str, str]] = {
    "ping": ("[message]", "Say that you are there."),
    "echo": ("message", "Return the message."),
    "hello": ("[2|3 [AUTH user password] [SETNAME name]]", "Choose the protocol."),
    "auth": ("[user] password", "Authenticate."),
    "client": ("SETNAME|GETNAME|ID|INFO|SETINFO ...", "Name the connection."),
    "select": ("0", "There is one database."),
    "reset": ("", "Forget what HELLO and CLIENT have set."),
    "quit": ("", "Close the connection."),
    "command": ("[DOCS [name ...]|COUNT|INFO|LIST]", "Describe the commands."),
}
"""Syntax and summary of the commands answered here."""


class Handshake:
    """Answers the commands that concern the connection and not the stock."""

    def __init__(self, *, version: str, password: Secret | None) -> None:
        """Check passwords against `password`; None: no password is right."""
        self._version = version
        self._password = password

    def answer(self, session: Session, name: str, arguments: Arguments) -> object:
        """Return the reply value.

        Raises:
            ErrorReply: an argument is wrong, or the password.
        """
        match name:
            case "ping":
                return arguments[1] if len(arguments) > 1 else SimpleString("PONG")
            case "echo" if len(arguments) == 2:
                return arguments[1]
            case "hello":
                return self._hello(session, arguments)
            case "auth" if len(arguments) in {2, 3}:
                return self._authenticate(session, arguments[-1], arguments[-2] if len(arguments) == 3 else b"default")
            case "client" if len(arguments) > 1:
                return _client(session, arguments)
            case "select" if len(arguments) == 2:
                return _select(arguments[1])
            case "reset":
                session.protocol, session.name = 2, ""
                session.staged.clear()
                return SimpleString("RESET")
            case "quit":
                session.closing = True
                return OK
            case "command":
                return _command(arguments)
            case _:
                syntax = HANDSHAKE[name][0]
                raise ErrorReply("ERR", f"wrong number of arguments for '{name}': {name.upper()} {syntax}")

    def _hello(self, session: Session, arguments: Arguments) -> object:
        protocol, index = session.protocol, 1
        if len(arguments) > 1:
            if arguments[1] not in {b"2", b"3"}:
                raise ErrorReply("NOPROTO", "this daemon speaks RESP 2 and 3")
            protocol, index = int(arguments[1]), 2
        while index < len(arguments):
            option = arguments[index].upper()
            if option == b"AUTH" and index + 2 < len(arguments):
                self._authenticate(session, arguments[index + 2], arguments[index + 1])
                index += 3
            elif option == b"SETNAME" and index + 1 < len(arguments):
                session.name = _client_name(arguments[index + 1])
                index += 2
            else:
                raise ErrorReply("ERR", f"HELLO {HANDSHAKE['hello'][0]}")
        if not session.authenticated:
            raise ErrorReply("NOAUTH", "HELLO must bring AUTH on this socket")
        session.protocol = protocol
        return {
            "server": "lastunit",
            "version": self._version,
            "proto": protocol,
            "id": session.id,
            "mode": "standalone",
            "role": "master",
            "modules": [],
        }

    def _authenticate(self, session: Session, password: bytes, user: bytes) -> SimpleString:
        if self._password is None:
            raise ErrorReply("ERR", "no password is configured (socket.password)")
        if not hmac.compare_digest(password, self._password.reveal().encode()):
            raise ErrorReply("WRONGPASS", "the password is wrong")
        session.authenticated = True
        session.user = _user_name(user)
        return OK


def _user_name(value: bytes) -> str:
    """The password is everybody's, the name is what the client says of itself: shown, never trusted."""
    name = value.decode("utf-8", "replace")[:100]
    return "".join(character if character.isprintable() else "?" for character in name)


def _select(database: bytes) -> SimpleString:
    if database != b"0":
        raise ErrorReply("ERR", "there is one database: SELECT 0")
    return OK


def _client(session: Session, arguments: Arguments) -> object:
    match arguments[1].upper(), len(arguments):
        case b"SETNAME", 3:
            session.name = _client_name(arguments[2])
            return OK
        case b"GETNAME", 2:
            return session.name or None
        case b"ID", 2:
            return session.id
        case b"INFO", 2:
            return f"id={session.id} addr={session.peer} name={session.name} resp={session.protocol}\n"
        case (b"SETINFO", 4) | (b"NO-EVICT", 3) | (b"NO-TOUCH", 3):
            return OK
        case _:
            raise ErrorReply("ERR", f"CLIENT {HANDSHAKE['client'][0]}")


def _client_name(value: bytes) -> str:
    name = value.decode("utf-8", "replace")
    if len(name) > 100 or any(not character.isprintable() or character == " " for character in name):
        raise ErrorReply("BADARG", "name: at most 100 printable characters without blanks")
    return name


def _command(arguments: Arguments) -> object:
    action = arguments[1].upper() if len(arguments) > 1 else b"INFO"
    names = [argument.decode("utf-8", "replace").lower() for argument in arguments[2:]]
    known = {**{name: _docs(command) for name, command in COMMANDS.items()}, **_handshake_docs()}
    match action:
        case b"COUNT":
            return len(known)
        case b"LIST":
            return sorted(known)
        case b"DOCS":
            return {name: known[name] for name in (names or sorted(known)) if name in known}
        case b"INFO":
            return [_info(name) if name in known else None for name in (names or sorted(known))]
        case _:
            raise ErrorReply("ERR", f"COMMAND {HANDSHAKE['command'][0]}")


def _docs(command: Command) -> dict[str, object]:
    return {"summary": f"{command.summary} {command.syntax}".strip(), "since": _SINCE, "group": command.group}


def _handshake_docs() -> dict[str, dict[str, object]]:
    return {
        name: {"summary": f"{summary} {syntax}".strip(), "since": _SINCE, "group": "connection"}
        for name, (syntax, summary) in HANDSHAKE.items()
    }


def _info(name: str) -> list[object]:
    """Name, arity as Redis counts it (negative: at least), flags, and no key positions."""
    command = COMMANDS.get(name)
    if command is None:
        return [name, -1, ["fast", "loading"], 0, 0, 0]
    arity = command.least + 1 if command.least == command.most else -(command.least + 1)
    return [name, arity, [], 0, 0, 0]
