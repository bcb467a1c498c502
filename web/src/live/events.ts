// The events of the server, read from a text/event-stream.
import { createParser } from 'eventsource-parser'

import type { OrderStatus, Snack } from '../api/types'

export interface OrderEvent {
  uid: string
  status: OrderStatus
  /** Grows with each change. It is also the order's entity tag. */
  version: number
}

export type SnackEvent = Pick<Snack, 'uid' | 'like_reaction_count' | 'hate_reaction_count' | 'like_ratio' | 'orderable'>

/** The data of the events by their names. */
export interface LiveEvents {
  order: OrderEvent
  snack: SnackEvent
  notification: { unread_count: number }
  budget: { month: string }
  /** Events may have been missed. */
  resync: object
}

export type LiveEvent = { [Name in keyof LiveEvents]: { name: Name; data: LiveEvents[Name] } }[keyof LiveEvents]

const NAMES = new Set<string>(['order', 'snack', 'notification', 'budget', 'resync'] satisfies (keyof LiveEvents)[])

/** Returns a function that takes the chunks of a stream and calls `onEvent` for each event that this version of the app knows. */
export function eventReader(onEvent: (event: LiveEvent) => void): (chunk: Uint8Array) => void {
  // A character may be in two chunks.
  const decoder = new TextDecoder()
  const parser = createParser({
    onEvent: ({ event: name = '', data }) => {
      if (!NAMES.has(name)) return
      const value = parse(data)
      if (typeof value === 'object' && value !== null) onEvent({ name, data: value } as LiveEvent)
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
