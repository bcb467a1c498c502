// The token pair of this browser: one for all tabs, in localStorage, renewed by whichever tab needs it first.
//
// A refresh token is spent by its use, and a spent one that comes back ends the whole sign-in. So only one tab renews at a
// time, and each looks first whether another has done so while it waited.
import type { Tokens } from './types'

export const STORAGE_KEY = 'snack.session'
/** How long before its end an access token is renewed. */
const MARGIN = 30_000

interface StoredTokens {
  access: string
  refresh: string
  /** From when on the access token is to be renewed: milliseconds of this browser's clock, which may differ from the server's. */
  renewAt: number
}

export interface Environment {
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
  /** Runs `work` while no other tab runs any, and tells it whether it had to wait for one. */
  exclusively: <Result>(work: (hasWaited: boolean) => Promise<Result>) => Promise<Result>
  /** Waits a moment for what another tab has stored. */
  change: () => Promise<void>
  /** Spends a refresh token. Null when the server refuses it; throws when it could not be asked. */
  refresh: (token: string) => Promise<Tokens | null>
  /** Called when the sign-in turns out to be over. */
  ended: () => void
  now: () => number
}

/** What a token says of itself. Not verified: only the server can do that. */
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

  /** The id of who is signed in; null when nobody is, 0 when only the server can tell. */
  get userId(): number | null {
    const stored = this.read()
    return stored ? (claims(stored.refresh).user_id ?? 0) : null
  }

  /** An access token to send; null when nobody is signed in. */
  async access(): Promise<string | null> {
    const stored = this.read()
    if (!stored) return null
    return this.environment.now() < stored.renewAt ? stored.access : this.renew(stored.access)
  }

  /** An access token in place of `stale`; null when the sign-in is over. Throws when the server cannot be asked. */
  renew(stale: string): Promise<string | null> {
    this.renewal ??= this.environment
      .exclusively((hasWaited) => this.renewAlone(stale, hasWaited))
      .finally(() => {
        this.renewal = null
      })
    return this.renewal
  }

  private async renewAlone(stale: string, hasWaited: boolean): Promise<string | null> {
    // A browser tells its tabs of a change in the store when it gets round to it, which may be after the lock was let go.
    if (hasWaited && this.read()?.access === stale) await this.environment.change()
    const stored = this.read()
    if (!stored) return null
    if (stored.access !== stale) return stored.access

    const tokens = await this.environment.refresh(stored.refresh)
    // Somebody may have signed out, or in, while the answer was on its way.
    const current = this.read()
    if (current?.refresh !== stored.refresh) return current?.access ?? null
    if (tokens) {
      this.write(tokens, stored.refresh)
      return tokens.access
    }
    this.clear()
    this.environment.ended()
    return null
  }

  /** Keeps a pair. The server leaves `refresh` out where the one it was given stays good. */
  write(tokens: Tokens, refresh = ''): void {
    const { iat = 0, exp = 0 } = claims(tokens.access)
    const lifetime = (exp - iat) * 1000
    const stored: StoredTokens = {
      access: tokens.access,
      refresh: tokens.refresh ?? refresh,
      // A short-lived token has a margin that fits.
      renewAt: this.environment.now() + lifetime - Math.min(MARGIN, lifetime / 5),
    }
    this.environment.storage.setItem(STORAGE_KEY, JSON.stringify(stored))
  }

  /** Forgets the pair. Returns the refresh token, for the server to forget it too. */
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

/** The Web Locks API, where there is one: a page that is served without TLS from another machine has none. */
export async function webLock<Result>(work: (hasWaited: boolean) => Promise<Result>): Promise<Result> {
  const locks: LockManager | undefined = navigator.locks
  if (!locks) return work(false)
  const result = await locks.request(STORAGE_KEY, { ifAvailable: true }, async (lock) =>
    lock ? { value: await work(false) } : null,
  )
  return result ? result.value : ((await locks.request(STORAGE_KEY, () => work(true))) as Result)
}

/** Resolves when another tab has stored something, or after half a second. */
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
