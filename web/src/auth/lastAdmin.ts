import { Problem } from '../api/problem'
import { t } from '../i18n'

/** Adds to a `last_admin` error what to do about it. */
export function withAdvice(error: unknown): unknown {
  if (!(error instanceof Problem) || error.code !== 'last_admin') return error
  return new Problem(error.status, error.code, `${error.detail} ${t('problem.lastAdmin')}`, error.errors)
}
