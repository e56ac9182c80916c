"""A Redis and a MongoDB-wire server for one machine, shared by all commands run in one folder.

Each server has a *keeper*, a small process that starts it, starts it again when it dies, and
stops it when its last user is gone::

    command ──shared flock──▶ users.lock ◀──exclusive flock: nobody is left── keeper ──▶ server

The kernel drops a lock with the process that held it, so a user counts as gone however it
ended, by SIGKILL too. ``<folder>/<redis or mongo>/`` holds all of it: the server's
data, its ``log``, ``password`` and ``server.json`` (where it listens), and the locks. Nobody but
the user whose server it is may look into that folder, so nobody else gets into the server.

Linux and macOS only: it stands on flock, and neither server exists for Windows.
"""

from rankspider.embedded.servers import Servers, embedded_servers, running

__all__ = ["Servers", "embedded_servers", "running"]
