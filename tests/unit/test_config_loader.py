"""A configuration file is used whole or refused with every reason."""

from pathlib import Path

import pytest

from config.loader import (
    APART_SECRETS,
    CLIENT_SECRETS,
    DAEMON_SECRETS,
    NO_SECRETS,
    READING_SECRETS,
    ConfigProblems,
    load,
    load_settings,
    without_channel_secrets,
)
from config.schema import Secret

ENVIRON = {"KEY": "ck_1", "SECRET": "cs_1", "HOOK": "wh_1", "PASSWORD": "open sesame"}
LOCATIONS = '[[locations]]\nid = "berlin"\n[[locations]]\nid = "hamburg"\n'
ACCOUNT = """
[[accounts]]
channel = "woocommerce"
id = "shop"
locations = ["berlin"]
url = "https://shop.example.com"
consumer_key = "env:KEY"
consumer_secret = "env:SECRET"
"""
SHOP = LOCATIONS + ACCOUNT
NAME_RULE = "must be 1 to 63 letters, digits, dots, dashes or underscores, a letter or digit first"


def write(folder: Path, text: str) -> Path:
    path = folder / "lastunit.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder: Path, text: str) -> list[str]:
    """Return the problems without the file's name."""
    path = write(folder, text)
    with pytest.raises(ConfigProblems) as caught:
        load(path, environ=ENVIRON)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_a_location_is_all_it_takes(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, LOCATIONS), environ={})
    assert [place.id for place in settings.locations] == ["berlin", "hamburg"]
    assert settings.node.shards == 4


def test_relative_paths_start_at_the_file_and_at_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, f'[node]\ndata = "d"\n[socket]\npath = "/run/s"\n{LOCATIONS}'), environ={})
    assert settings.node.data == tmp_path / "d"
    assert settings.store.path == tmp_path / "d" / "journal.sqlite3"
    assert settings.socket.path == Path("/run/s")


def test_an_empty_text_switches_the_unix_socket_off(tmp_path: Path) -> None:
    text = f'[socket]\npath = ""\ntcp = "127.0.0.1:6380"\npassword = "env:PASSWORD"\n{LOCATIONS}'
    socket = load_settings(write(tmp_path, text), environ=ENVIRON).socket
    assert socket.path is None
    assert socket.password == Secret("open sesame")


def test_secrets_that_are_not_needed_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, SHOP)
    assert load_settings(path, environ={}, secrets=NO_SECRETS).accounts[0].consumer_key == Secret("")
    assert load_settings(path, environ={}, secrets=CLIENT_SECRETS).accounts[0].id == "shop"


def test_the_password_of_the_tables_is_read_by_who_writes_them_and_nobody_else(tmp_path: Path) -> None:
    path = write(tmp_path, f'{SHOP}[reading.postgres]\nreading_password = "env:READING"\nca_file = "ca.pem"\n')
    section = load_settings(path, environ={"READING": "open sesame"}, secrets=READING_SECRETS).reading.postgres
    assert (section.reading_password, section.ca_file) == (Secret("open sesame"), tmp_path / "ca.pem")
    daemon = load_settings(path, environ=ENVIRON, secrets=DAEMON_SECRETS)
    assert (daemon.reading.postgres.reading_password, daemon.accounts[0].consumer_key) == (Secret(""), Secret("ck_1"))
    assert "READING" not in without_channel_secrets(path, {**ENVIRON, "READING": "open sesame"})


def test_who_reads_the_journal_with_a_role_of_its_own_needs_no_password_of_the_daemon(tmp_path: Path) -> None:
    store = '[store]\nkind = "postgres"\npostgres.database_password = "env:DATABASE"\n'
    reader = '[reading]\njournal_user = "reader"\njournal_password = "env:JOURNAL"\n'
    path = write(tmp_path, f"{SHOP}{store}{reader}")
    settings = load_settings(path, environ={"JOURNAL": "open sesame"}, secrets=APART_SECRETS)
    assert (settings.reading.journal_user, settings.reading.journal_password) == ("reader", Secret("open sesame"))
    assert settings.store.postgres.database_password == Secret("")
    daemon = load_settings(path, environ={**ENVIRON, "DATABASE": "daemon's"}, secrets=DAEMON_SECRETS)
    assert daemon.reading.journal_password == Secret("")
    assert "JOURNAL" not in without_channel_secrets(path, {**ENVIRON, "JOURNAL": "open sesame"})


def test_a_role_for_the_journal_is_for_one_in_postgres(tmp_path: Path) -> None:
    assert problems_of(tmp_path, f'[reading]\njournal_user = "reader"\n{LOCATIONS}') == [
        "reading.journal_user: 'reader': is for a journal in PostgreSQL; store.kind is 'sqlite'"
    ]
    assert problems_of(tmp_path, f'[reading]\njournal_password = "env:PASSWORD"\n{LOCATIONS}') == [
        "reading.journal_password: needs reading.journal_user"
    ]


def test_tables_for_reading_have_a_schema_of_their_own(tmp_path: Path) -> None:
    same = '[reading]\nkind = "postgres"\npostgres.schema = "lastunit"\n[store]\nkind = "postgres"\n'
    assert problems_of(tmp_path, same + LOCATIONS) == [
        "reading.postgres.schema: 'lastunit': is store.postgres.schema: each needs its own"
    ]
    load(write(tmp_path, same.replace('"lastunit"', '"tables"') + LOCATIONS), environ=ENVIRON)
    elsewhere = same.replace("postgres.schema", 'postgres.host = "reports"\npostgres.schema')
    load(write(tmp_path, elsewhere + LOCATIONS), environ=ENVIRON)


def test_five_mistakes_give_five_messages(tmp_path: Path) -> None:
    text = f"""
[node]
shards = 0
log_levl = "info"
[gateway]
listen = 8480
{SHOP.replace("ck", "x").replace('["berlin"]', '["berlni"]').replace("env:KEY", "ck_live_1234")}"""
    assert problems_of(tmp_path, text) == [
        "node.log_levl: no such option; did you mean 'log_level'?",
        "node.shards: 0: must be a whole number from 1 to 1024",
        "gateway.listen: 8480: must be a text",
        'accounts[0].consumer_key: a secret is given as "env:NAME" or "file:path", never in this file itself',
        "accounts[0].locations[0]: 'berlni': no location has this id (known: berlin, hamburg); did you mean 'berlin'?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "locations: missing; must be a list of at least one: a table"),
        ("locations = []", "locations: must not be empty"),
        ("locations = 3", "locations: must be a list of at least one: a table"),
        ("locations = [3]", "locations[0]: must be a table"),
        (
            '[[locations]]\nid = "b b"',
            f"locations[0].id: 'b b': {NAME_RULE}",
        ),
        (LOCATIONS + "[node]\nshards = true", "node.shards: true: must be a whole number from 1 to 1024"),
        (LOCATIONS + "[node]\nshards = 1e1", "node.shards: 10: must be a whole number from 1 to 1024"),
        (LOCATIONS + "[store]\nstall_seconds_max = nan", "store.stall_seconds_max: nan: must be a number above 0"),
        (LOCATIONS + "[store]\nstall_seconds_max = inf", "store.stall_seconds_max: inf: must be a number above 0"),
        (LOCATIONS + '[store]\npath = ""', "store.path: '': must be a path"),
        (LOCATIONS + "[node]\ndata = 1979-05-27", "node.data: 1979-05-27: must be a path"),
        (
            LOCATIONS + '[node]\nlog_format = "jsn"',
            """node.log_format: 'jsn': must be one of "console", "json"; did you mean 'json'?""",
        ),
        (LOCATIONS + "[nodes]", "nodes: no such option; did you mean 'node'?"),
        (
            '"ä b" = 1\n' + LOCATIONS,
            (
                '"ä b": no such option (known: accounts, alerts, gateway, limits, locations, node, offers, reading, '
                "scan, snapshots, socket, stock, store)"
            ),
        ),
        (
            LOCATIONS + '[socket]\ntcp = ":6380"\npassword = "env:PASSWORD"',
            "socket.tcp: ':6380': must be host:port, port from 1 to 65535",
        ),
        (LOCATIONS + '[socket]\ntcp = "h:6380"', "socket.tcp: 'h:6380': needs socket.password"),
        (LOCATIONS + "[socket]\npassword = 7", 'socket.password: must be "env:NAME" or "file:path"'),
        (
            LOCATIONS + '[socket]\npath = ""',
            "socket: neither path nor tcp is set: the gateway and the command line cannot reach the daemon",
        ),
        (
            LOCATIONS + '[gateway]\nlisten = "localhost"',
            "gateway.listen: 'localhost': must be host:port, port from 1 to 65535",
        ),
        (
            LOCATIONS + '[gateway]\npublic_url = "x.de"',
            "gateway.public_url: 'x.de': must be http:// or https://, a host and no question mark",
        ),
        (
            LOCATIONS + '[[gateway.tokens]]\nname = "t"\nsecret = "env:KEY"\nscopes = []',
            "gateway.tokens[0].scopes: must not be empty",
        ),
        (LOCATIONS + '[[locations]]\nid = "berlin"', "locations[2].id: 'berlin': is taken by locations[0].id"),
        (SHOP + ACCOUNT, "accounts[1].id: 'shop': is taken by accounts[0].id"),
        (SHOP.replace('"shop"', '"direct"'), "accounts[0].id: 'direct': is reserved for your own storefront and tills"),
        (SHOP.replace('channel = "woocommerce"', ""), 'accounts[0].channel: missing; must be "woocommerce"'),
        (SHOP.replace("=", "= 3 #", 1), f"locations[0].id: 3: {NAME_RULE}"),
        (SHOP.replace('["berlin"]', '["berlin", "berlin"]'), "accounts[0].locations[1]: 'berlin': is listed twice"),
        (SHOP + 'pickup = { "Berlin Mitte" = "berlin", "local_pickup:3" = "berlin" }', None),
        (
            SHOP + 'pickup = { "Hamburg Altona" = "hamburg" }',
            """accounts[0].pickup."Hamburg Altona": 'hamburg': must be one of the account's locations: berlin""",
        ),
        (SHOP + 'url2 = "x"', "accounts[0].url2: no such option; did you mean 'url'?"),
        (SHOP + "query_string_auth = true", None),
        (
            SHOP.replace("https", "http") + "query_string_auth = true",
            "accounts[0].query_string_auth: true: needs an https:// url: the keys would cross the net in clear",
        ),
        (
            SHOP.replace("https://", "https://me:pw@"),
            "accounts[0].url: must not hold a user or password: use consumer_key and consumer_secret",
        ),
        (
            SHOP.replace("https://", "htps://me:pw@"),
            "accounts[0].url: 'htps://***@shop.example.com': must be http:// or https:// and a host",
        ),
        (
            SHOP + "[accounts.push]\nretry_seconds = 200",
            "accounts[0].push.retry_seconds: 200: must not be above retry_seconds_max, which is 120",
        ),
        (
            SHOP + "[accounts.push]\nsettle_seconds = 3",
            "accounts[0].push.settle_seconds: 3: must not be above staleness_seconds_max, which is 2",
        ),
        (
            SHOP + 'refund_restock = "metta"',
            """accounts[0].refund_restock: 'metta': must be one of "always", "meta", "never"; did you mean 'meta'?""",
        ),
        (
            SHOP + "[offers.accounts.shp]\nbuffer = 1",
            "offers.accounts.shp: no account has this id (known: shop); did you mean 'shop'?",
        ),
        (
            SHOP + "[offers.default]\nfloor = 3\ncap = 2",
            "offers.default.floor: 3: must not be above the cap, which is 2",
        ),
        (
            SHOP + "[offers.default]\nfloor = 3\n[offers.accounts.shop]\ncap = 2",
            "offers.accounts.shop.cap: 2: must not be below offers.default.floor, which is 3",
        ),
        (
            SHOP + '[offers.accounts.shop]\ncap = 2\n[offers.skus."A 1"]\nfloor = 3',
            'offers.skus."A 1".floor: 3: must not be above offers.accounts.shop.cap, which is 2',
        ),
        ("[node]\nname = @\n", "line 2, column 8: Invalid value"),
        ("[node", "at the end of the file: Expected ']' at the end of a table declaration"),
    ],
)
def test_a_mistake_is_named_with_its_place_value_and_rule(tmp_path: Path, text: str, problem: str | None) -> None:
    if problem is None:
        load(write(tmp_path, text), environ=ENVIRON)
    else:
        assert problems_of(tmp_path, text) == [problem]


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match=r"nowhere.toml: no such file; `lastunit init` writes one"):
        load(tmp_path / "nowhere.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_bytes_that_are_not_utf_8_are_placed(tmp_path: Path) -> None:
    path = tmp_path / "lastunit.toml"
    path.write_bytes(b'[node]\nname = "K\xf6ln"\n')
    with pytest.raises(ConfigProblems, match=r"lastunit.toml: line 2, column 10: not UTF-8: save the file as UTF-8"):
        load(path)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "lastunit.toml"
    path.write_bytes(b"\xef\xbb\xbf" + LOCATIONS.encode())
    assert load(path).notes == ()


def test_a_socket_path_the_system_cannot_bind_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f'[node]\ndata = "{"d" * 120}"\n{LOCATIONS}')
    assert problem.startswith("socket.path: '")
    assert "bytes long with its folder; the system allows" in problem


def test_webhook_secrets_that_woocommerce_would_change_are_refused_unseen(tmp_path: Path) -> None:
    path = write(tmp_path, SHOP + 'webhook_secret = "env:HOOK"')
    with pytest.raises(ConfigProblems) as caught:
        load(path, environ=ENVIRON | {"HOOK": "a&b"})
    assert "accounts[0].webhook_secret: must not hold & < > \" or '" in str(caught.value)
    assert "a&b" not in str(caught.value)


def test_secrets_are_never_repeated(tmp_path: Path) -> None:
    text = """
consumer_secret = "cs_hidden"
gateway.tokens = "cs_hidden"
socket.password = "cs_hidden"
locations = "cs_hidden"
[[accounts]]
id = "shop"
locations = ["berlin"]
channel = "woocommerce"
url = "https://x:cs_hidden@shop.example.com"
consumer_key = "cs_hidden"
consumer_secrt = "cs_hidden"
"""
    problems = problems_of(tmp_path, text)
    assert len(problems) == 8
    assert "cs_hidden" not in "\n".join(problems)


def test_tokens_differ(tmp_path: Path) -> None:
    token = '[[gateway.tokens]]\nname = "till"\nsecret = "env:KEY"\nscopes = ["holds"]\n'
    assert problems_of(tmp_path, LOCATIONS + token + token) == [
        "gateway.tokens[1].name: 'till': is taken by gateway.tokens[0].name",
        "gateway.tokens[1].secret: the same as that of gateway.tokens[0]",
    ]


def test_what_is_probably_not_meant_is_a_note(tmp_path: Path) -> None:
    second = ACCOUNT.replace('"shop"', '"twin"')
    path = write(tmp_path, f'{LOCATIONS}{ACCOUNT}webhook_secret = "env:HOOK"\n{second}')
    no_webhooks = "no webhooks will come, orders are polled: set gateway.public_url to receive them"
    assert load(path, environ=ENVIRON).notes == (
        f"{path}: accounts[0].webhook_secret: {no_webhooks}",
        f"{path}: accounts[1].url: the same shop as accounts[0]: two accounts will write over each other",
    )


def test_the_gateway_is_not_given_the_keys_of_channels(tmp_path: Path) -> None:
    """It faces the network: what it does not need it cannot lose."""
    path = tmp_path / "lastunit.toml"
    path.write_text(
        '[[accounts]]\nconsumer_key = "env:KEY"\nconsumer_secret = "env:SHARED"\nwebhook_secret = "env:SHARED"\n'
    )
    environ = {"KEY": "ck", "SHARED": "both", "PATH": "/bin"}
    assert without_channel_secrets(path, environ) == {"SHARED": "both", "PATH": "/bin"}
