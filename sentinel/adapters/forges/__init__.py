"""Git servers: where reverts are proposed, over the APIs of GitHub and GitLab."""
