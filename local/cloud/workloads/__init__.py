"""Pods that are more than played: the memory service and its jobs, run for real beside kwok's.

What a kubelet, AKS' webhook and its secrets driver do for a pod is done here from the live
objects, so that what the program declares is what runs.
"""
