"""The drivers: the only rooms of venuekit that touch a socket. Each is an interface, an implementation and a mock."""
