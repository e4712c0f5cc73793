"""What every app stands on: tenant scope, leases, events, errors, ids, dispatch, hints, blobs. No tables of its own."""
