"""What a person may set: settings structs, the TOML loader, secrets and the example files."""
