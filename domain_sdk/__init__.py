"""What a domain's package builds on: tables, task templates, the model package. Importing it never loads PyTorch."""
