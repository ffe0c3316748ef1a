"""What each account may show: rules, buffers, demand, quotas and campaigns."""
