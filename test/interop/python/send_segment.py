"""segment-analytics-python, as its users write it: send_segment.py URL WRITE_KEY"""
import sys

import segment.analytics as client

client.host, client.write_key = sys.argv[1], sys.argv[2]
failures = []
client.on_error = lambda error, items: failures.append(error)
client.identify("ann", {"plan": "pro"})
client.track("ann", "Order Completed", {"total": 12.5})
client.page("ann", "docs", "Home")
client.screen("ann", "app", "Main")
client.group("ann", "g1")
client.alias("old", "ann")
client.shutdown()
sys.exit(f"failed: {failures}" if failures else 0)
