// One stream of events that is opened again whenever it ends.
import type { LiveEvent } from '../api/types'
import { eventReader } from './events'

/** The pauses after the first, second, ... failure in a row, in milliseconds. The last one is that of all further ones. */
const PAUSES = [1000, 2000, 5000, 15_000]
/** The shortest pause after a refusal that is no fault, such as 403. */
const REFUSED = PAUSES.at(-1)!
/** The longest pause that the server can ask for. */
const MAX_PAUSE = 60_000
/** The server sends a comment every 15 s. */
const SILENCE = 40_000
/** A stream that ends earlier counts as a failure, so that one that always ends at once is not opened every second. */
const STABLE = 10_000

export interface Environment {
  /** Asks for the stream, with an access token that is still valid. Null if nobody is signed in. */
  connect: (signal: AbortSignal) => Promise<Response | null>
  /** Waits until the time is over or the signal is aborted. */
  wait: (milliseconds: number, signal: AbortSignal) => Promise<void>
  now: () => number
  /** From 0 to 1. */
  random: () => number
}

export interface Listeners {
  onOpen: () => void
  onEvent: (event: LiveEvent) => void
  /** Called when bytes have arrived. */
  onBytes: () => void
  onEnd: () => void
}

/** The pause after a number of failures in a row. It is shortened by chance, so that not all pages come back at once. */
export function pauseAfter(failures: number, random: number): number {
  return PAUSES[Math.min(failures, PAUSES.length) - 1]! * (1 - random / 2)
}

/** The pause that the server asks for, in milliseconds. */
function requestedPause(response: Response): number | null {
  const seconds = Number(response.headers.get('Retry-After') || Number.NaN)
  return Number.isFinite(seconds) ? Math.min(seconds * 1000, MAX_PAUSE) : null
}

export class EventStream {
  private failures = 0
  private lastBytes = 0
  private pause = new AbortController()
  private connection = new AbortController()

  constructor(
    private readonly environment: Environment,
    private readonly listeners: Listeners,
  ) {}

  /** Keeps a stream open until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = this.environment.now()
      const minimum = await this.connect(signal)
      if (signal.aborted) return
      const isStable = minimum === null && this.environment.now() - startedAt >= STABLE
      this.failures = isStable ? 1 : this.failures + 1
      this.pause = new AbortController()
      await this.environment.wait(
        Math.max(minimum ?? 0, pauseAfter(this.failures, this.environment.random())),
        // A pause that the server asks for is kept.
        minimum ? signal : AbortSignal.any([signal, this.pause.signal]),
      )
    }
  }

  /** Ends a pause, and a stream that has gone silent, for example while the computer was asleep. */
  wake(): void {
    this.pause.abort()
    if (this.environment.now() - this.lastBytes > SILENCE) this.connection.abort()
  }

  /** Reads one stream to its end. Returns the shortest pause before the next one; null if there was a stream. */
  private async connect(signal: AbortSignal): Promise<number | null> {
    this.connection = new AbortController()
    const either = AbortSignal.any([signal, this.connection.signal])
    const watch = this.watchSilence()
    let isOpen = false
    try {
      const response = await this.environment.connect(either)
      if (!response?.ok || !response.body) {
        const isFault = response && (response.status === 429 || response.status >= 500)
        return (response && requestedPause(response)) ?? (isFault ? 0 : REFUSED)
      }
      isOpen = true
      this.listeners.onOpen()
      const read = eventReader(this.listeners.onEvent)
      const reader = response.body.getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return null
        this.lastBytes = this.environment.now()
        this.listeners.onBytes()
        read(value)
      }
    } catch {
      // The network is down, the server has stopped, or the stream was aborted.
      return isOpen ? null : 0
    } finally {
      watch.abort()
      this.connection.abort()
      if (isOpen && !signal.aborted) this.listeners.onEnd()
    }
  }

  /** Ends the connection when no bytes have come for too long. */
  private watchSilence(): AbortController {
    const watch = new AbortController()
    const { connection, environment } = this
    this.lastBytes = environment.now()
    void (async () => {
      for (;;) {
        const left = this.lastBytes + SILENCE - environment.now()
        if (left <= 0) break
        await environment.wait(left, watch.signal)
        if (watch.signal.aborted) return
      }
      connection.abort()
    })()
    return watch
  }
}
