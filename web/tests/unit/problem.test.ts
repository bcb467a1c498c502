import { describe, expect, it } from 'vitest'

import { Problem, fieldMessages } from '../../src/api/problem'

const body = (code: string, errors: { field: string; code: string; message: string }[] = []) => ({
  type: 'about:blank',
  title: '',
  status: 400,
  code,
  detail: `detail of ${code}`,
  errors,
})

describe('Problem', () => {
  it('is read from problem+json', () => {
    const problem = Problem.read(409, body('last_admin'))
    expect(problem).toMatchObject({ status: 409, code: 'last_admin', detail: 'detail of last_admin', errors: [] })
  })

  it("has the code unreadable if the response is not the server's own", () => {
    expect(Problem.read(502, '<html>Bad Gateway</html>')).toMatchObject({ status: 502, code: 'unreadable', detail: '' })
    expect(Problem.read(500, undefined).detail).toBe('')
  })

  it('is temporary if a retry may succeed', () => {
    expect(Problem.network().isTemporary).toBe(true)
    expect(Problem.read(503, body('unavailable')).isTemporary).toBe(true)
    expect(Problem.read(409, body('last_admin')).isTemporary).toBe(false)
    expect(Problem.read(500, body('internal_error')).isTemporary).toBe(false)
  })

  it('can have another message for a field', () => {
    const errors = ['name', 'price'].map((field) => ({ field, code: 'code', message: `${field} is wrong` }))
    const problem = Problem.read(400, body('validation_failed', errors)).withMessage('price', 'The price is missing.')
    expect(fieldMessages(problem)).toEqual({ name: 'name is wrong', price: 'The price is missing.' })
    expect(problem).toMatchObject({ status: 400, code: 'validation_failed', detail: 'detail of validation_failed' })
  })
})

describe('fieldMessages', () => {
  it('has the first message of each field', () => {
    const problem = Problem.read(
      400,
      body('validation_failed', [
        { field: 'email', code: 'blank', message: 'first' },
        { field: 'email', code: 'invalid_email', message: 'second' },
        { field: 'name', code: 'required', message: 'third' },
      ]),
    )
    expect(fieldMessages(problem)).toEqual({ email: 'first', name: 'third' })
  })

  it('has the detail for a code that belongs to a field', () => {
    const problem = Problem.read(409, body('email_taken'))
    expect(fieldMessages(problem, { email_taken: 'email' })).toEqual({ email: 'detail of email_taken' })
    expect(fieldMessages(problem, { snack_name_taken: 'name' })).toEqual({})
    expect(fieldMessages(new Error('other'), { email_taken: 'email' })).toEqual({})
  })
})
