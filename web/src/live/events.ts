// The events of the server, read from a text/event-stream.
import { createParser } from 'eventsource-parser'

import type { LiveEvent } from '../api/types'

/** The data of the events by their names. */
export type LiveEvents = { [Of in LiveEvent as Of['event']]: Of['data'] }
export type OrderEvent = LiveEvents['order']
export type SnackEvent = LiveEvents['snack']

const NAMES = new Set<string>(['order', 'snack', 'notification', 'budget', 'resync'] satisfies (keyof LiveEvents)[])

/** Returns a function that takes the chunks of a stream and calls `onEvent` for each event that this version of the app knows. */
export function eventReader(onEvent: (event: LiveEvent) => void): (chunk: Uint8Array) => void {
  // A character may be in two chunks.
  const decoder = new TextDecoder()
  const parser = createParser({
    onEvent: ({ event = '', data }) => {
      if (!NAMES.has(event)) return
      const value = parse(data)
      if (typeof value === 'object' && value !== null) onEvent({ event, data: value } as LiveEvent)
    },
  })
  return (chunk) => parser.feed(decoder.decode(chunk, { stream: true }))
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
