"""What is meant for a Kubernetes cluster: objects, the sets in which they are applied, and what a cluster accepts."""
