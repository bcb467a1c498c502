import { ref } from 'vue'
import { describe, expect, it, vi } from 'vitest'

import { Problem } from '../../src/api/problem'

vi.mock('../../src/ui/toasts', () => ({ problemText: () => 'the text of the problem' }))

const { useForm } = await import('../../src/ui/useForm')

const focus = vi.fn()
const event = { currentTarget: { querySelector: () => ({ focus }) } } as unknown as Event
const invalid = (field: string) =>
  new Problem(400, 'validation_failed', 'detail', [{ field, code: 'code', message: `${field} is wrong` }])

describe('useForm', () => {
  it('does not send while the validation has messages', async () => {
    const isWrong = ref(true)
    const send = vi.fn(() => Promise.resolve())
    const validate = () => (isWrong.value ? { image: 'too large' } : ({} as Record<string, string>))
    const form = useForm({ send, fields: ['image'], validate })
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

  it("shows the server's message until it is cleared", async () => {
    const send = vi.fn(() => Promise.reject(invalid('image')))
    const form = useForm({ send, fields: ['image', 'name'] })
    await form.submit(event)
    expect([form.messages.value, form.problem.value]).toEqual([{ image: 'image is wrong' }, ''])
    form.clearMessage('image')
    expect([form.messages.value, form.problem.value]).toEqual([{}, ''])
    await form.submit(event)
    expect(form.messages.value).toEqual({ image: 'image is wrong' })
  })

  it('shows the detail of an error code at its field', async () => {
    const send = () => Promise.reject(new Problem(409, 'email_taken', 'This email is taken.'))
    const form = useForm({ send, fields: ['email'], fieldOfCode: { email_taken: 'email' } })
    await form.submit(event)
    expect([form.messages.value, form.problem.value]).toEqual([{ email: 'This email is taken.' }, ''])
  })

  it('shows an error that no field can show', async () => {
    const form = useForm({ send: () => Promise.reject(invalid('budget')), fields: ['name'] })
    await form.submit(event)
    expect(form.problem.value).toBe('the text of the problem')
    // A proxy's error has no detail.
    const send = () => Promise.reject(new Problem(413, 'payload_too_large', ''))
    const other = useForm({ send, fields: ['image'], fieldOfCode: { payload_too_large: 'image' } })
    await other.submit(event)
    expect(other.problem.value).toBe('the text of the problem')
  })
})
