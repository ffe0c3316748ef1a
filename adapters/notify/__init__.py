"""The ways to people: webhooks, Slack's and its kin's, e-mail."""
