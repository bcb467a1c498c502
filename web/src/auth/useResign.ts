import { api, dataOf } from '../api/client'
import { t } from '../i18n'
import { useSession } from '../session/session'
import { useToasts } from '../ui/toasts'
import { withAdvice } from './lastAdmin'

export function useResign(): () => Promise<void> {
  const session = useSession()
  const toasts = useToasts()

  return async () => {
    await dataOf(api.DELETE('/auth/users/resign')).catch((error: unknown) => {
      throw withAdvice(error)
    })
    session.end()
    toasts.success(t('resign.done'), { isLasting: true })
  }
}
