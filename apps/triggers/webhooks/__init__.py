"""Webhooks: addresses at which programs outside tell events, and how it is known that it is them.

`schemes` checks and makes signatures and knows no database, `bodies` reads what was sent, `receiving` takes or refuses it,
`services` is what people do with webhooks, `outcomes` what came of an event, `commands` the line to paste into a shell.
"""
