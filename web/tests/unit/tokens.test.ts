import { beforeEach, describe, expect, it, vi } from 'vitest'

import type { Tokens } from '../../src/api/types'
import { STORAGE_KEY, TokenStore, claims } from '../../src/api/tokens'

const LIFETIME = 900

/** A token as the server makes them, without a signature. */
function token(name: string, user_id = 7, lifetime = LIFETIME): string {
  const payload = btoa(JSON.stringify({ user_id, jti: name, iat: 1000, exp: 1000 + lifetime }))
  return `header.${payload.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.${name}`
}

function pair(name: string, user_id = 7): { access: string; refresh: string } {
  return { access: token(`access ${name}`, user_id), refresh: token(`refresh ${name}`, user_id) }
}

/** One browser: what its tabs share. */
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
    /** From now on a tab sees what others store only after it has waited for it. */
    lag: () => {
      isLagging = true
    },
    /** `hasLocks`: a page without TLS has none. */
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
        // As the Web Locks API: one after the other.
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
        change: async () => {
          seen = null
        },
        refresh,
        ended,
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

describe('the token pair', () => {
  it('is used as it is until shortly before its end', async () => {
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

  it('lives by the browser’s clock, whatever the server’s says', async () => {
    // The token says that it ended long ago; the browser knows that it was given it just now.
    const { store } = shared.tab()
    shared.clock.now = Date.parse('2031-01-01')
    store.write(pair('1'))
    expect(await store.access()).toBe(pair('1').access)
  })

  it('with a short life is not renewed at every call', async () => {
    const { store } = shared.tab()
    store.write({ access: token('short', 7, 5), refresh: token('refresh') })
    shared.clock.now += 3900
    expect(await store.access()).toBe(token('short', 7, 5))
    expect(shared.refresh).not.toHaveBeenCalled()
  })

  it.each([true, false])('is renewed once for many calls of one tab, with locks (%s) and without', async (hasLocks) => {
    const { store } = shared.tab(hasLocks)
    store.write(pair('1'))
    shared.refresh.mockResolvedValue(pair('2'))
    const answers = await Promise.all([1, 2, 3].map(() => store.renew(pair('1').access)))
    expect(answers).toEqual(Array(3).fill(pair('2').access))
    expect(shared.refresh).toHaveBeenCalledOnce()
  })

  it('is renewed once for all tabs', async () => {
    const tabs = [shared.tab(), shared.tab(), shared.tab()]
    tabs[0]!.store.write(pair('1'))
    let spent = 0
    shared.refresh.mockImplementation(async () => pair(String(++spent + 1)))
    const answers = await Promise.all(tabs.map(({ store }) => store.renew(pair('1').access)))
    expect(answers).toEqual(Array(3).fill(pair('2').access))
    expect(shared.refresh).toHaveBeenCalledOnce()
  })

  it('is waited for where the browser is slow to tell what another tab has stored', async () => {
    const tabs = [shared.tab(), shared.tab()]
    tabs[0]!.store.write(pair('1'))
    shared.lag()
    tabs.forEach(({ store }) => expect(store.userId).toBe(7))
    shared.refresh.mockResolvedValue(pair('2'))
    const answers = await Promise.all(tabs.map(({ store }) => store.renew(pair('1').access)))
    expect(answers).toEqual(Array(2).fill(pair('2').access))
    expect(shared.refresh).toHaveBeenCalledOnce()
  })

  it('keeps a refresh token that the server leaves as it is', async () => {
    const { store } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockResolvedValue({ access: pair('2').access })
    await store.renew(pair('1').access)
    shared.refresh.mockResolvedValue({ access: pair('3').access })
    await store.renew(pair('2').access)
    expect(shared.refresh).toHaveBeenLastCalledWith(pair('1').refresh)
  })

  it('is given up when the server refuses to renew it', async () => {
    const { store, ended } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockResolvedValue(null)
    expect(await store.renew(pair('1').access)).toBeNull()
    expect(shared.stored.has(STORAGE_KEY)).toBe(false)
    expect(ended).toHaveBeenCalledOnce()
  })

  it('survives a network that fails, and is renewed later', async () => {
    const { store, ended } = shared.tab()
    store.write(pair('1'))
    shared.refresh.mockRejectedValueOnce(new Error('no network'))
    await expect(store.renew(pair('1').access)).rejects.toThrow('no network')
    expect(ended).not.toHaveBeenCalled()
    shared.refresh.mockResolvedValue(pair('2'))
    expect(await store.renew(pair('1').access)).toBe(pair('2').access)
  })

  it('does not come back when somebody signs out while it is being renewed', async () => {
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

  it('is not taken from whoever signs in while another’s is being renewed', async () => {
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

  it('tells whose it is, and nobody’s when there is none or nonsense', () => {
    const { store } = shared.tab()
    expect(store.userId).toBeNull()
    store.write(pair('1', 42))
    expect(store.userId).toBe(42)
    shared.stored.set(STORAGE_KEY, '{"access":')
    expect(store.userId).toBeNull()
    expect(claims('no token')).toEqual({})
  })

  it('is handed back when it is forgotten', () => {
    const { store } = shared.tab()
    store.write(pair('1'))
    expect(store.clear()).toBe(pair('1').refresh)
    expect(store.clear()).toBeNull()
  })
})
