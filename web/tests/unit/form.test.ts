import { ref } from 'vue'
import { describe, expect, it, vi } from 'vitest'

import { Problem } from '../../src/api/problem'

vi.mock('../../src/ui/toasts', () => ({ problemText: () => 'in words' }))

const { useForm } = await import('../../src/ui/useForm')

const focus = vi.fn()
const event = { currentTarget: { querySelector: () => ({ focus }) } } as unknown as Event
const refusal = (field: string) =>
  new Problem(400, 'validation_failed', 'detail', [{ field, code: 'code', message: `${field} is wrong` }])

describe('a form', () => {
  it('is not sent while one of its fields shows an error', async () => {
    const isWrong = ref(true)
    const send = vi.fn(() => Promise.resolve())
    const form = useForm(send, ['image'], () =>
      isWrong.value ? { image: 'too large' } : ({} as Record<string, string>),
    )
    expect(form.messages.value).toEqual({ image: 'too large' })
    await form.submit(event)
    expect(send).not.toHaveBeenCalled()
    expect(form.messages.value).toEqual({ image: 'too large' })
    expect(focus).toHaveBeenCalled()

    isWrong.value = false
    expect(form.messages.value).toEqual({})
    await form.submit(event)
    expect(send).toHaveBeenCalledOnce()
  })

  it('shows what the server refused until the field is another', async () => {
    const send = vi.fn(() => Promise.reject(refusal('image')))
    const form = useForm(send, ['image', 'name'])
    await form.submit(event)
    expect([form.messages.value, form.problem.value]).toEqual([{ image: 'image is wrong' }, ''])
    form.forget('image')
    expect([form.messages.value, form.problem.value]).toEqual([{}, ''])
    await form.submit(event)
    expect(form.messages.value).toEqual({ image: 'image is wrong' })
  })

  it('tells what none of its fields can show', async () => {
    const form = useForm(() => Promise.reject(refusal('budget')), ['name'])
    await form.submit(event)
    expect(form.problem.value).toBe('in words')
    // A proxy refuses without a word.
    const other = useForm(() => Promise.reject(new Problem(413, 'payload_too_large', '')), ['image'])
    await other.submit(event)
    expect(other.problem.value).toBe('in words')
  })
})
