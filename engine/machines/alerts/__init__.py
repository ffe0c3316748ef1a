"""From facts to alerts, and from alerts to deliveries."""
