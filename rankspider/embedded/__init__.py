"""A Redis and a MongoDB-wire server for one machine, shared by the commands of one folder."""
