"""What the platform promises, by a short name; each acceptance test says which promise it holds."""

REQUIREMENTS = {
    "life-cycle": "One model goes from a file to an approved, served version through MCP, as two principals.",
    "separation-of-duties": "Who requested a model can never approve it.",
    "live-progress": "Training progress is read from the event stream, nothing skipped and nothing repeated.",
    "rejection": "A rejected model never reaches an endpoint.",
    "bad-input": "Bad input gets a specific error with a stable code and a next step; nothing half-registered stays.",
    "authentication": "Nobody is let in without a token of this server.",
    "authorisation": "A principal that may not write changes nothing.",
    "idempotency": "The same call under the same key happens once.",
    "crash": "A worker killed at any moment loses nothing and doubles nothing.",
    "audit": "Every answer and every refusal carries an audit reference.",
    "open-inference": "A deployed model answers over the Open Inference Protocol.",
    "observability": "An operator sees what runs and what waits, without an id in any label.",
    "clean-stop": "Stopping leaves no process and no lock behind.",
    "demo": "The demo works, twice, on the digits and on a file of the user's own.",
    "one-sentence": "What goes wrong at the start is said in one sentence with exit code 1.",
    "operations": "An operator sees, pauses, mends, moves, migrates and ends instances, through MCP and in a terminal.",
    "inbox": "User tasks are claimed, given back, delegated, drafted and discussed before they are completed.",
    "schedules": "Processes are defined, started and scheduled by whoever may, through MCP and in a terminal.",
    "events": "An event reaches the process that waits for it, and no other.",
    "mcp-eras": "Clients of the handshake era and of the stateless era are both served.",
}
