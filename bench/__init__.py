"""What the product costs in time, as ratios to named baselines measured in the same run.

Nothing here fails because it is slow: a goal is met or missed, and the report says so.
"""
