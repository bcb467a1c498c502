import { describe, expect, it } from 'vitest'

import { Problem, fieldMessages, lineMessages } from '../../src/api/problem'

const body = (code: string, errors: { field: string; code: string; message: string }[] = []) => ({
  type: 'about:blank',
  title: '',
  status: 400,
  code,
  detail: `detail of ${code}`,
  errors,
})

describe('problems', () => {
  it('are read from problem+json', () => {
    const problem = Problem.read(409, body('last_admin'))
    expect(problem).toMatchObject({ status: 409, code: 'last_admin', detail: 'detail of last_admin', errors: [] })
  })

  it('are told from answers that are not the server’s own', () => {
    expect(Problem.read(502, '<html>Bad Gateway</html>')).toMatchObject({ status: 502, code: 'unreadable', detail: '' })
    expect(Problem.read(500, undefined).detail).toBe('')
  })

  it('pass where another try may help, and do not where it cannot', () => {
    expect(Problem.network().isPassing).toBe(true)
    expect(Problem.read(503, body('unavailable')).isPassing).toBe(true)
    expect(Problem.read(409, body('last_admin')).isPassing).toBe(false)
    expect(Problem.read(500, body('internal_error')).isPassing).toBe(false)
  })

  it('blame the fields of a form, the first message of each', () => {
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

  it.each([
    ['email_taken', 'email'],
    ['email_resigned', 'email'],
    ['snack_name_taken', 'name'],
    ['payload_too_large', 'image'],
    ['unsupported_media_type', 'image'],
  ])('with the code %s blame the field %s', (code, field) => {
    expect(fieldMessages(Problem.read(409, body(code)))).toEqual({ [field]: `detail of ${code}` })
  })

  it('blame the lines of an order by their position', () => {
    const problem = Problem.read(
      409,
      body('snack_unavailable', [
        { field: 'snacks[2].uid', code: 'snack_unavailable', message: 'third' },
        { field: 'snacks[2].quantity', code: 'out_of_range', message: 'third again' },
        { field: 'snacks[10].quantity', code: 'out_of_range', message: 'eleventh' },
        { field: 'snacks', code: 'item_count', message: 'all' },
      ]),
    )
    expect([...lineMessages(problem)]).toEqual([
      [2, 'third'],
      [10, 'eleventh'],
    ])
    expect(lineMessages(new Error('other')).size).toBe(0)
  })
})
