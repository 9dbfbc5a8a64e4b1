//! Settings: flags > environment > kitmake.yml > defaults, resolved once.
