"""Notices beside Slack: chats, incidents, annotations and mail, each over its service's API."""
