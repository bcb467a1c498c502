import { beforeEach, describe, expect, it, vi } from 'vitest'

import type { Tokens } from '../../src/api/types'
import { STORAGE_KEY } from '../../src/api/storageKey'
import { TokenStore, claims } from '../../src/api/tokens'

const LIFETIME = 900

/** A token of the server, without its signature. */
function token(name: string, user_id = 7, lifetime = LIFETIME): string {
  const payload = btoa(JSON.stringify({ user_id, jti: name, iat: 1000, exp: 1000 + lifetime }))
  return `header.${payload.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.${name}`
}

function pair(name: string, user_id = 7): { access: string; refresh: string } {
  return { access: token(`access ${name}`, user_id), refresh: token(`refresh ${name}`, user_id) }
}

/** A browser with its shared storage. */
function browser() {
  const stored = new Map<string, string>()
  let queue = Promise.resolve()
  let waiting = 0
  let isLagging = false
  const refresh = vi.fn<(token: string) => Promise<Tokens | null>>()
  const clock = { now: 5_000_000 }
  return {
    stored,
    refresh,
    clock,
    /** From now on a tab sees changes of other tabs only after it has waited for them. */
    lag: () => {
      isLagging = true
    },
    /** Pages without TLS have no locks. */
    tab(hasLocks = true) {
      const ended = vi.fn()
      let seen: Map<string, string> | null = null
      const view = () => (isLagging ? (seen ??= new Map(stored)) : stored)
      const store = new TokenStore({
        storage: {
          getItem: (key) => view().get(key) ?? null,
          setItem: (key, value) => [view(), stored].forEach((map) => map.set(key, value)),
          removeItem: (key) => [view(), stored].forEach((map) => map.delete(key)),
        },
        // One after the other, as in the Web Locks API.
        exclusively: <Result>(work: (hasWaited: boolean) => Promise<Result>) => {
          if (!hasLocks) return work(false)
          const hasWaited = waiting++ > 0
          const turn = queue.then(() => work(hasWaited)).finally(() => waiting--)
          queue = turn.then(
            () => undefined,
            () => undefined,
          )
          return turn
        },
        waitForChange: async () => {
          seen = null
        },
        refresh,
        onEnd: ended,
        now: () => clock.now,
      })
      return { store, ended }
    },
  }
}

let shared: ReturnType<typeof browser>
beforeEach(() => {
  shared = browser()
})

describe('TokenStore', () => {
  it('renews the access token shortly before it expires', async () => {
    const { store } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockResolvedValue(pair('2'))

    shared.clock.now += (LIFETIME - 31) * 1000
    expect(await store.access()).toBe(pair('1').access)
    expect(shared.refresh).not.toHaveBeenCalled()

    shared.clock.now += 2000
    expect(await store.access()).toBe(pair('2').access)
    expect(shared.refresh).toHaveBeenCalledExactlyOnceWith(pair('1').refresh)
  })

  it('goes by the clock of the browser, not of the server', async () => {
    // By the clock of the browser the token expired long ago.
    const { store } = shared.tab()
    shared.clock.now = Date.parse('2031-01-01')
    store.write(pair('1'))
    expect(await store.access()).toBe(pair('1').access)
  })

  it('does not renew a short-lived token for every request', async () => {
    const { store } = shared.tab()
    store.write({ access: token('short', 7, 5), refresh: token('refresh') })
    shared.clock.now += 3900
    expect(await store.access()).toBe(token('short', 7, 5))
    expect(shared.refresh).not.toHaveBeenCalled()
  })

  it.each([true, false])('renews once for many requests of one tab, with locks: %s', async (hasLocks) => {
    const { store } = shared.tab(hasLocks)
    store.write(pair('1'))
    shared.refresh.mockResolvedValue(pair('2'))
    const renewed = await Promise.all([1, 2, 3].map(() => store.renew(pair('1').access)))
    expect(renewed).toEqual(Array(3).fill(pair('2').access))
    expect(shared.refresh).toHaveBeenCalledOnce()
  })

  it('renews once for all tabs', async () => {
    const tabs = [shared.tab(), shared.tab(), shared.tab()]
    tabs[0]!.store.write(pair('1'))
    let used = 0
    shared.refresh.mockImplementation(async () => pair(String(++used + 1)))
    const renewed = await Promise.all(tabs.map(({ store }) => store.renew(pair('1').access)))
    expect(renewed).toEqual(Array(3).fill(pair('2').access))
    expect(shared.refresh).toHaveBeenCalledOnce()
  })

  it('waits for the pair of another tab if the browser shows it late', async () => {
    const tabs = [shared.tab(), shared.tab()]
    tabs[0]!.store.write(pair('1'))
    shared.lag()
    tabs.forEach(({ store }) => expect(store.userId).toBe(7))
    shared.refresh.mockResolvedValue(pair('2'))
    const renewed = await Promise.all(tabs.map(({ store }) => store.renew(pair('1').access)))
    expect(renewed).toEqual(Array(2).fill(pair('2').access))
    expect(shared.refresh).toHaveBeenCalledOnce()
  })

  it('keeps the refresh token if the server sends no new one', async () => {
    const { store } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockResolvedValue({ access: pair('2').access })
    await store.renew(pair('1').access)
    shared.refresh.mockResolvedValue({ access: pair('3').access })
    await store.renew(pair('2').access)
    expect(shared.refresh).toHaveBeenLastCalledWith(pair('1').refresh)
  })

  it('removes the pair if the server rejects the refresh token', async () => {
    const { store, ended } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockResolvedValue(null)
    expect(await store.renew(pair('1').access)).toBeNull()
    expect(shared.stored.has(STORAGE_KEY)).toBe(false)
    expect(ended).toHaveBeenCalledOnce()
  })

  it('keeps the pair if the network fails, and renews it later', async () => {
    const { store, ended } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockRejectedValueOnce(new Error('no network'))
    await expect(store.renew(pair('1').access)).rejects.toThrow('no network')
    expect(ended).not.toHaveBeenCalled()
    shared.refresh.mockResolvedValue(pair('2'))
    expect(await store.renew(pair('1').access)).toBe(pair('2').access)
  })

  it('does not store a pair after a sign-out during the renewal', async () => {
    const { store, ended } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockImplementation(async () => {
      store.clear()
      return pair('2')
    })
    expect(await store.renew(pair('1').access)).toBeNull()
    expect(shared.stored.has(STORAGE_KEY)).toBe(false)
    expect(ended).not.toHaveBeenCalled()
  })

  it('keeps the pair of another user who signs in during the renewal', async () => {
    const { store, ended } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockImplementation(async () => {
      store.write(pair('other', 8))
      return null
    })
    expect(await store.renew(pair('1').access)).toBe(pair('other', 8).access)
    expect(store.userId).toBe(8)
    expect(ended).not.toHaveBeenCalled()
  })

  it('has the id of the user, or null without a valid pair', () => {
    const { store } = shared.tab()
    expect(store.userId).toBeNull()
    store.write(pair('1', 42))
    expect(store.userId).toBe(42)
    shared.stored.set(STORAGE_KEY, '{"access":')
    expect(store.userId).toBeNull()
    expect(claims('no token')).toEqual({})
  })

  it('returns the refresh token when it removes the pair', () => {
    const { store } = shared.tab()
    store.write(pair('1'))
    expect(store.clear()).toBe(pair('1').refresh)
    expect(store.clear()).toBeNull()
  })
})
