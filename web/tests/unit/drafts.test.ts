import { beforeEach, describe, expect, it, vi } from 'vitest'

import { draftedForm, readDraft, removeDraft, removeDraftsOf, writeDraft } from '../../src/ui/drafts'

/** As much of the Storage interface as drafts use. */
class MemoryStorage {
  private readonly items = new Map<string, string>()
  getItem = (key: string) => this.items.get(key) ?? null
  setItem = (key: string, value: string) => void this.items.set(key, value)
  removeItem = (key: string) => void this.items.delete(key)
}

describe('a draft', () => {
  beforeEach(() => {
    vi.stubGlobal('sessionStorage', new MemoryStorage())
    return () => vi.unstubAllGlobals()
  })

  it('belongs to one user and one form', () => {
    writeDraft(1, 'snack:', { name: 'first' })
    writeDraft(1, 'snack:', { name: 'second' })
    writeDraft(2, 'snack:', { name: 'other user' })
    writeDraft(1, 'snack:7', { name: 'other form' })
    expect(readDraft(1, 'snack:')).toEqual({ name: 'second' })
    removeDraft(1, 'snack:')
    expect(readDraft(1, 'snack:')).toBeUndefined()
    expect(readDraft(1, 'snack:7')).toEqual({ name: 'other form' })
    removeDraftsOf(1)
    expect(readDraft(1, 'snack:7')).toBeUndefined()
    expect(readDraft(2, 'snack:')).toEqual({ name: 'other user' })
  })

  it('names its form', () => {
    expect(draftedForm(1, 'snack:')).toBeNull()
    writeDraft(1, 'order:7', {})
    writeDraft(1, 'snack:7', {})
    expect(draftedForm(1, 'snack:')).toBe('7')
    expect(draftedForm(2, 'snack:')).toBeNull()
  })

  it('gives way to newer ones', () => {
    for (let form = 0; form < 11; form += 1) writeDraft(1, `form ${form}`, {})
    expect(readDraft(1, 'form 0')).toBeUndefined()
    expect(readDraft(1, 'form 1')).toEqual({})
    writeDraft(1, 'long', 'x'.repeat(99_940))
    expect(readDraft(1, 'form 10')).toBeUndefined()
    expect(readDraft(1, 'long')).toHaveLength(99_940)
    writeDraft(1, 'too long', 'x'.repeat(100_001))
    expect(readDraft(1, 'too long')).toBeUndefined()
  })

  it('is ignored if it cannot be read', () => {
    for (const text of ['{', '{}', 'null', '3']) {
      sessionStorage.setItem('snack.drafts', text)
      expect(readDraft(1, 'snack:')).toBeUndefined()
    }
  })
})
