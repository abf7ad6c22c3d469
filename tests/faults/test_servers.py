"""The servers and links of these tests can be hurt, and come back where they were."""

import socket

import psycopg
import pytest
import redis

from tests.stacks import postgres, redis_server
from tests.stacks.link import linked


@pytest.mark.xdist_group("postgres-redis")
def test_a_killed_postgres_comes_back_with_its_rows() -> None:
    with postgres.running() as server:
        url = postgres.new_database(server)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=2)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
        with server.paused(), pytest.raises(psycopg.OperationalError, match="timeout"):
            psycopg.connect(url, connect_timeout=2)
        with server.stopped():
            assert not server.is_running
        psycopg.connect(url, connect_timeout=2).close()


@pytest.mark.xdist_group("postgres-redis")
def test_a_link_is_cut_stands_still_and_is_whole_again() -> None:
    with redis_server.running() as server, linked(server.url) as link:
        url = link.through(server.url)
        with redis.Redis.from_url(url, socket_timeout=0.5) as client:
            assert client.ping()
            link.cut()
            with pytest.raises(redis.ConnectionError):
                client.ping()
            link.restore()
            assert client.ping()
            link.black_hole()
            with pytest.raises(redis.TimeoutError):
                client.ping()
        host, port = url.removeprefix("redis://").strip("/").split(":")
        with socket.create_connection((host, int(port)), timeout=0.5) as raw:
            raw.sendall(b"PING\r\n")
            with pytest.raises(TimeoutError):
                raw.recv(10)
            link.restore()
            assert raw.recv(10) == b"+PONG\r\n"
