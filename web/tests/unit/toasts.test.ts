import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { NETWORK, Problem } from '../../src/api/problem'

// It reaches for the browser when it is loaded; what is tested here needs none of it.
vi.mock('../../src/i18n', () => ({ t: (key: string) => key }))

const { MAX_TOASTS, useToasts } = await import('../../src/ui/toasts')

const texts = () => useToasts().toasts.map((toast) => toast.text)

beforeEach(() => setActivePinia(createPinia()))

describe('messages', () => {
  it('are three at most, the newest', () => {
    for (let message = 1; message <= 44; message += 1) useToasts().success(`message ${message}`)
    expect(MAX_TOASTS).toBe(3)
    expect(texts()).toEqual(['message 42', 'message 43', 'message 44'])
  })

  it('that are equal are one, the newest', () => {
    const toasts = useToasts()
    toasts.success('same')
    toasts.success('other')
    toasts.elapse(5000)
    toasts.success('same')
    expect(texts()).toEqual(['other', 'same'])
    // Its time begins again.
    toasts.elapse(1000)
    expect(texts()).toEqual(['same'])
    toasts.failure('same')
    expect(texts()).toEqual(['same', 'same'])
  })

  it('go by themselves, those with a button later', () => {
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

  it('about a page go with it; failures and lasting ones stay', () => {
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

  it('say nothing of the end of a session', () => {
    expect(useToasts().problem(new Problem(401, 'invalid_token', 'expired'))).toBeNull()
    expect(texts()).toEqual([])
  })
})
