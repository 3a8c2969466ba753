"""What a contract is proposed from: what landed files look like, and what that suggests."""
