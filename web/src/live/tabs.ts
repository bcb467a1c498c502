// One stream for all tabs of a browser. The tab that has the lock keeps it open and passes the events on to the others.
import { EventStream, type Environment } from './eventStream'
import type { LiveEvent } from '../api/types'

/** The other tabs hear from the tab with the stream every 15 s. After this time that tab is taken for frozen, in milliseconds. */
const SILENCE = 40_000
/** In milliseconds. */
const CHECK_INTERVAL = 5000

type Message =
  /** The stream is open since a time. */
  | { kind: 'open'; since: number }
  | { kind: 'closed' }
  | { kind: 'event'; event: LiveEvent }
  /** The stream is alive. */
  | { kind: 'alive' }
  /** A tab has been opened or has become visible. */
  | { kind: 'hello' }

export interface TabListeners {
  /** No event since this time has been missed. */
  onOpen: (since: number) => void
  onClosed: () => void
  onEvent: (event: LiveEvent) => void
}

export interface Tabs {
  /** Looks for the stream at once, for example because the network is back. */
  wake: () => void
}

/** Takes part in the stream of a user until the signal is aborted. */
export function joinTabs(userId: number, environment: Environment, listeners: TabListeners, signal: AbortSignal): Tabs {
  const name = `snack.live.${userId}`
  // They are missing on pages that are served without TLS from another machine. Each tab has a stream of its own then.
  const locks: LockManager | undefined = navigator.locks
  const channel = locks ? new BroadcastChannel(name) : null
  const joinedAt = environment.now()
  let lastHeard = joinedAt
  /** Null in tabs without the stream. */
  let openSince: number | null = null
  /** In the tab with the stream. Ends it. */
  let leading: AbortController | null = null
  /** Ends the waiting for the lock. */
  let waiting = new AbortController()

  function tell(message: Message): void {
    if (!signal.aborted) channel?.postMessage(message)
  }

  const stream = new EventStream(environment, {
    onOpen: () => {
      openSince = environment.now()
      listeners.onOpen(openSince)
      tell({ kind: 'open', since: openSince })
    },
    onEvent: (event) => {
      listeners.onEvent(event)
      tell({ kind: 'event', event })
    },
    onBytes: () => tell({ kind: 'alive' }),
    onEnd: close,
  })

  function receive({ data }: MessageEvent<Message>): void {
    lastHeard = environment.now()
    if (leading) {
      if (data.kind !== 'hello') return
      stream.wake()
      tell(openSince === null ? { kind: 'closed' } : { kind: 'open', since: openSince })
    } else if (data.kind === 'open') {
      // This tab has no events from the time before it was opened.
      listeners.onOpen(Math.max(data.since, joinedAt))
    } else if (data.kind === 'closed') listeners.onClosed()
    else if (data.kind === 'event') listeners.onEvent(data.event)
  }

  /** Keeps the stream open as long as this tab has the lock. */
  async function lead(): Promise<void> {
    leading = new AbortController()
    // The former tab may not have told that its stream has ended.
    close()
    await stream.run(AbortSignal.any([signal, leading.signal]))
  }

  function close(): void {
    openSince = null
    listeners.onClosed()
    tell({ kind: 'closed' })
  }

  /** Waits for the lock. With `steal` it is taken from the tab that has it. */
  async function elect(steal = false): Promise<void> {
    if (!locks) return lead()
    waiting.abort()
    waiting = new AbortController()
    try {
      await locks.request(name, steal ? { steal } : { signal: AbortSignal.any([signal, waiting.signal]) }, lead)
    } catch {
      // The lock was not granted, or another tab has taken it.
      if (signal.aborted || !leading) return
      leading.abort()
      leading = null
      return elect()
    }
  }

  function wake(): void {
    if (leading || !locks) stream.wake()
    else tell({ kind: 'hello' })
  }

  /** Takes the stream over from a tab that the browser has frozen. */
  function checkLeader(): void {
    const isSilent = environment.now() - lastHeard > SILENCE
    if (leading || !isSilent || document.visibilityState === 'hidden') return
    lastHeard = environment.now()
    void elect(true)
  }

  void elect()
  if (channel) {
    channel.addEventListener('message', receive)
    tell({ kind: 'hello' })
    const interval = setInterval(checkLeader, CHECK_INTERVAL)
    signal.addEventListener('abort', () => {
      clearInterval(interval)
      channel.close()
    })
  }
  return { wake }
}
