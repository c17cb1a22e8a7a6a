"""The stand-in for the pulumi-kubernetes plugin: server-side apply to a real API server.

It decides nothing that the real plugin decides otherwise: Pulumi's own source of
4.x is the model, and a program must not notice which of the two it runs on.
"""
