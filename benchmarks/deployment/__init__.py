"""What a deployment costs beyond what the services themselves need, and how fast the ways back are."""
