import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { NETWORK, Problem } from '../../src/api/problem'

// The module needs a browser.
vi.mock('../../src/i18n', () => ({ t: (key: string) => key }))

const { useToasts } = await import('../../src/ui/toasts')

const text = () => useToasts().toast?.text

beforeEach(() => setActivePinia(createPinia()))

const undo = { label: 'undo', run: () => undefined }

describe('a toast', () => {
  it('takes the place of the former one', () => {
    const toasts = useToasts()
    const first = toasts.success('first')
    toasts.elapse(5000)
    toasts.success('second')
    expect(text()).toBe('second')
    // Its time starts anew.
    toasts.elapse(1000)
    expect(text()).toBe('second')
    // The former one cannot remove it.
    toasts.remove(first)
    expect(text()).toBe('second')
  })

  it.each([
    [6000, {}],
    [12_000, { action: undo }],
  ])('disappears by itself after %d ms', (duration, options) => {
    const toasts = useToasts()
    toasts.success('message', options)
    toasts.elapse(duration - 1)
    expect(text()).toBe('message')
    toasts.elapse(1)
    expect(text()).toBeUndefined()
  })

  it.each([
    ['a success', () => useToasts().success('message'), undefined],
    ['a lasting success', () => useToasts().success('message', { isLasting: true }), 'message'],
    ['a failure', () => useToasts().problem(Problem.network()), 'problem.network'],
    ['a failure with a button', () => useToasts().problem(new Problem(409, NETWORK, 'message'), undo), undefined],
  ] as const)('on the next page: %s', (_name, show, expected) => {
    show()
    useToasts().leavePage()
    expect(text()).toBe(expected)
  })

  it('is not shown for the end of a session', () => {
    expect(useToasts().problem(new Problem(401, 'invalid_token', 'expired'))).toBeNull()
    expect(text()).toBeUndefined()
  })
})
