import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { NETWORK, Problem } from '../../src/api/problem'

// The module needs a browser.
vi.mock('../../src/i18n', () => ({ t: (key: string) => key }))

const { MAX_TOASTS, useToasts } = await import('../../src/ui/toasts')

const texts = () => useToasts().toasts.map((toast) => toast.text)

beforeEach(() => setActivePinia(createPinia()))

describe('toasts', () => {
  it('are the newest three', () => {
    for (let message = 1; message <= 44; message += 1) useToasts().success(`message ${message}`)
    expect(MAX_TOASTS).toBe(3)
    expect(texts()).toEqual(['message 42', 'message 43', 'message 44'])
  })

  it('replace equal ones', () => {
    const toasts = useToasts()
    toasts.success('same')
    toasts.success('other')
    toasts.elapse(5000)
    toasts.success('same')
    expect(texts()).toEqual(['other', 'same'])
    // The time of the message starts again.
    toasts.elapse(1000)
    expect(texts()).toEqual(['same'])
    toasts.failure('same')
    expect(texts()).toEqual(['same', 'same'])
  })

  it('disappear by themselves, later if they have a button', () => {
    const toasts = useToasts()
    toasts.success('short')
    toasts.success('long', { action: { label: 'undo', run: () => undefined } })
    toasts.elapse(5999)
    expect(texts()).toEqual(['short', 'long'])
    toasts.elapse(1)
    expect(texts()).toEqual(['long'])
    toasts.elapse(6000)
    expect(texts()).toEqual([])
  })

  it('disappear with their page, unless they are failures or lasting', () => {
    const toasts = useToasts()
    toasts.success('welcome')
    toasts.success('resigned', { isLasting: true })
    toasts.problem(Problem.network())
    toasts.leavePage()
    expect(texts()).toEqual(['resigned', 'problem.network'])
    toasts.problem(new Problem(409, NETWORK, 'with a button'), { label: 'undo', run: () => undefined })
    toasts.leavePage()
    expect(texts()).toEqual(['resigned', 'problem.network'])
  })

  it('are not shown for the end of a session', () => {
    expect(useToasts().problem(new Problem(401, 'invalid_token', 'expired'))).toBeNull()
    expect(texts()).toEqual([])
  })
})
