// The token pair of this browser: one for all tabs, in localStorage, renewed by the tab that needs it first.
//
// A refresh token can be used once, and a used one that is sent again ends the session. So only one tab renews at a time, and
// after waiting for another tab it first looks for the pair that the other has stored.
import { STORAGE_KEY } from './storageKey'
import type { Tokens } from './types'

/** An access token is renewed this long before it expires, in milliseconds. */
const MARGIN = 30_000

interface StoredTokens {
  access: string
  refresh: string
  /** The time to renew the access token, in milliseconds of this browser's clock, which may differ from the server's. */
  renewAt: number
}

export interface Environment {
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
  /** Runs `work` in one tab at a time. `hasWaited` is true if another tab ran first. */
  exclusively: <Result>(work: (hasWaited: boolean) => Promise<Result>) => Promise<Result>
  /** Waits until another tab's change of the storage is visible here, but not for long. */
  waitForChange: () => Promise<void>
  /** Exchanges a refresh token. Null if the server rejects it; throws if there is no response. */
  refresh: (token: string) => Promise<Tokens | null>
  /** Called when the server has ended the session. */
  onEnd: () => void
  now: () => number
}

/** The claims of a token. They are not verified. */
export function claims(token: string): { user_id?: number; iat?: number; exp?: number } {
  try {
    const payload = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')
    return JSON.parse(atob(payload))
  } catch {
    return {}
  }
}

export class TokenStore {
  private renewal: Promise<string | null> | null = null

  constructor(private readonly environment: Environment) {}

  /** The id of the signed-in user; null if nobody is signed in, 0 if the token does not name one. */
  get userId(): number | null {
    const stored = this.read()
    return stored ? (claims(stored.refresh).user_id ?? 0) : null
  }

  /** An access token to send; null if nobody is signed in. */
  async access(): Promise<string | null> {
    const stored = this.read()
    if (!stored) return null
    return this.environment.now() < stored.renewAt ? stored.access : this.renew(stored.access)
  }

  /** A new access token in place of `stale`; null if the session is over. Throws if there is no response. */
  renew(stale: string): Promise<string | null> {
    this.renewal ??= this.environment
      .exclusively((hasWaited) => this.renewAlone(stale, hasWaited))
      .finally(() => {
        this.renewal = null
      })
    return this.renewal
  }

  private async renewAlone(stale: string, hasWaited: boolean): Promise<string | null> {
    // A change of the storage may become visible in other tabs only after the lock was released.
    if (hasWaited && this.read()?.access === stale) await this.environment.waitForChange()
    const stored = this.read()
    if (!stored) return null
    if (stored.access !== stale) return stored.access

    const tokens = await this.environment.refresh(stored.refresh)
    // The user may have signed out or in while the request was in flight.
    const current = this.read()
    if (current?.refresh !== stored.refresh) return current?.access ?? null
    if (tokens) {
      this.write(tokens, stored.refresh)
      return tokens.access
    }
    this.clear()
    this.environment.onEnd()
    return null
  }

  /** Stores a pair. The server omits `refresh` if the present one stays valid. */
  write(tokens: Tokens, refresh = ''): void {
    const { iat = 0, exp = 0 } = claims(tokens.access)
    const lifetime = (exp - iat) * 1000
    const stored: StoredTokens = {
      access: tokens.access,
      refresh: tokens.refresh ?? refresh,
      // A short-lived token has a smaller margin.
      renewAt: this.environment.now() + lifetime - Math.min(MARGIN, lifetime / 5),
    }
    this.environment.storage.setItem(STORAGE_KEY, JSON.stringify(stored))
  }

  /** Removes the pair. Returns the refresh token, so that the server can revoke it. */
  clear(): string | null {
    const stored = this.read()
    this.environment.storage.removeItem(STORAGE_KEY)
    return stored?.refresh ?? null
  }

  private read(): StoredTokens | null {
    try {
      const stored = JSON.parse(this.environment.storage.getItem(STORAGE_KEY) ?? 'null')
      return typeof stored?.access === 'string' && typeof stored?.refresh === 'string' ? stored : null
    } catch {
      return null
    }
  }
}

/** The Web Locks API. It is missing on pages that are served without TLS from another machine. */
export async function webLock<Result>(work: (hasWaited: boolean) => Promise<Result>): Promise<Result> {
  const locks: LockManager | undefined = navigator.locks
  if (!locks) return work(false)
  const result = await locks.request(STORAGE_KEY, { ifAvailable: true }, async (lock) =>
    lock ? { value: await work(false) } : null,
  )
  return result ? result.value : ((await locks.request(STORAGE_KEY, () => work(true))) as Result)
}

/** Resolves when another tab has changed the storage, or after half a second. */
export function storageChange(): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      window.removeEventListener('storage', done)
      resolve()
    }
    const timer = setTimeout(done, 500)
    window.addEventListener('storage', done)
  })
}
