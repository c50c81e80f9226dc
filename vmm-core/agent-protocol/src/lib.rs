//! Messages between the host and the agent in the guest.
