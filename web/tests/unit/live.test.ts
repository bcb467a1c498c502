import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'

import type { LiveEvent } from '../../src/api/types'
import { eventReader } from '../../src/live/events'
import { EventStream, pauseAfter } from '../../src/live/eventStream'
import { mergeRows } from '../../src/live/useLiveRows'

const bytes = (text: string) => new TextEncoder().encode(text)

function eventsOf(...chunks: Uint8Array[]): LiveEvent[] {
  const events: LiveEvent[] = []
  const read = eventReader((event) => events.push(event))
  chunks.forEach(read)
  return events
}

const BUDGET = { event: 'budget', data: { month: '2026-11' } }
const NOTIFICATION = { event: 'notification', data: { unread_count: 3 } }

describe('the reader of a stream', () => {
  const stream = bytes(
    ':\n\nevent: budget\ndata: {"month":"2026-11"}\n\n: 가나다\n\nevent: notification\ndata: {"unread_count":3}\n\n',
  )

  it('finds the same events wherever the chunks begin', () => {
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= stream.length; second += 1) {
        const chunks = [stream.slice(0, first), stream.slice(first, second), stream.slice(second)]
        expect(eventsOf(...chunks)).toEqual([BUDGET, NOTIFICATION])
      }
    }
  })

  it.each(['\r\n', '\n'])('takes lines that end with %j, also byte by byte', (end) => {
    const text = `event: budget${end}data: {"month":${end}data: "2026-11"}${end}${end}`
    expect(eventsOf(bytes(text))).toEqual([BUDGET])
    expect(eventsOf(...Array.from(bytes(text), (byte) => Uint8Array.of(byte)))).toEqual([BUDGET])
  })

  it('passes over comments, unknown events, broken data and what is incomplete', () => {
    const text = [
      ': comment',
      'event: future\ndata: {}',
      'data: {"month":"2026-11"}',
      'event: budget\ndata: {"month":',
      'event: budget\ndata: null',
      'event: budget\ndata: {"month":"2026-11"}',
      'event: budget\ndata: {"month":"2026-12"}',
    ].join('\n\n')
    expect(eventsOf(bytes(text))).toEqual([BUDGET])
  })
})

describe('the pause before the next stream', () => {
  it('grows with the failures and is shortened by chance', () => {
    expect([1, 2, 3, 4, 5, 100].map((failures) => pauseAfter(failures, 0))).toEqual([
      1000, 2000, 5000, 15_000, 15_000, 15_000,
    ])
    expect(pauseAfter(2, 1)).toBe(1000)
  })
})

type Respond = (response: ServerResponse) => void

const SILENCE = 40_000
const send: Respond = (response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(':\n\n')
const end: Respond = (response) => {
  send(response)
  response.end('event: budget\ndata: {"month":"2026-11"}\n\n')
}
const refuse =
  (status: number, headers = {}): Respond =>
  (response) =>
    response.writeHead(status, headers).end()
const breakOff: Respond = (response) => response.destroy()

describe('a stream', () => {
  let server: Server | undefined
  afterEach(() => {
    server?.closeAllConnections()
    server?.close()
  })

  /** What happens to a stream from a server that responds so, one response after another. Time passes in pauses only. */
  async function run(responses: Respond[], options: { lifetime?: number; wakes?: boolean } = {}): Promise<string[]> {
    const { lifetime = 0, wakes = false } = options
    const over = new AbortController()
    const log: string[] = []
    let now = 1_000_000
    let count = 0
    server = createServer((_request, response) => responses[count - 1]!(response)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    let passSilence = () => {}
    const stream: EventStream = new EventStream(
      {
        connect: (signal) => {
          count += 1
          return fetch(url, { signal })
        },
        wait: (milliseconds, signal) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => resolve())
            if (milliseconds === SILENCE) {
              passSilence = resolve
              return
            }
            log.push(`pause ${milliseconds}`)
            if (count === responses.length) over.abort()
            if (wakes) stream.wake()
            if (signal.aborted) log.push('woken')
            else now += milliseconds
            resolve()
          }),
        now: () => now,
        random: () => 0,
      },
      {
        onOpen: () => {
          log.push('open')
          now += lifetime
        },
        onEvent: ({ event }) => log.push(event),
        onBytes: () => {
          if (responses[count - 1] !== send) return
          // No more bytes will come.
          now += SILENCE
          passSilence()
        },
        onEnd: () => log.push('end'),
      },
    )
    await stream.run(over.signal)
    return log
  }

  it('is opened again with growing pauses while it fails, whatever the failure is', async () => {
    expect(await run([breakOff, refuse(503), end, breakOff, end])).toEqual([
      ...['pause 1000', 'pause 2000', 'open', 'budget', 'end', 'pause 5000'],
      ...['pause 15000', 'open', 'budget', 'end', 'pause 15000', 'woken'],
    ])
  })

  it('is opened again after a second if it was open for long', async () => {
    expect(await run([end, end], { lifetime: 10_000 })).toEqual([
      ...['open', 'budget', 'end', 'pause 1000'],
      ...['open', 'budget', 'end', 'pause 1000', 'woken'],
    ])
  })

  it('is ended and opened again when it is silent for 40 s', async () => {
    expect(await run([send, end])).toEqual([
      ...['open', 'end', 'pause 1000'],
      ...['open', 'budget', 'end', 'pause 2000', 'woken'],
    ])
  })

  it('is not asked for again soon if the server refuses it', async () => {
    expect(await run([refuse(403), refuse(401), refuse(404)])).toEqual([
      ...['pause 15000', 'pause 15000', 'pause 15000', 'woken'],
    ])
  })

  it('is asked for again when the server says so, but within a minute', async () => {
    const responses = [refuse(429, { 'Retry-After': '30' }), refuse(429, { 'Retry-After': '3600' }), refuse(429)]
    expect(await run(responses)).toEqual(['pause 30000', 'pause 60000', 'pause 5000', 'woken'])
  })

  it('is asked for at once when the user comes back, unless the server has asked for a pause', async () => {
    const responses = [breakOff, refuse(429, { 'Retry-After': '30' }), breakOff]
    expect(await run(responses, { wakes: true })).toEqual([
      ...['pause 1000', 'woken', 'pause 30000', 'pause 5000', 'woken'],
    ])
  })
})

describe('the rows of a list', () => {
  const row = (uid: string, value = 0) => ({ uid, value })
  const cached = { pages: [{ results: [row('a'), row('b')] }, { results: [row('c')] }], pageParams: [] }

  it('get new values in their places, and new rows are told apart', () => {
    const { merged, unseen } = mergeRows(cached, [row('d', 1), row('c', 1), row('a', 1)], (_shown, read) => read)
    expect(merged.pages.map(({ results }) => results)).toEqual([[row('a', 1), row('b')], [row('c', 1)]])
    expect(unseen).toEqual(['d'])
  })

  it('keep what is newer', () => {
    const newer = (shown: { uid: string; value: number }, read: typeof shown) =>
      read.value < shown.value ? shown : read
    expect(mergeRows(cached, [row('a', -1), row('b', 1)], newer).merged.pages[0]!.results).toEqual([
      row('a'),
      row('b', 1),
    ])
  })
})
