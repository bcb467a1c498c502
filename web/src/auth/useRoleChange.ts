import { ref } from 'vue'

import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { MemberType, User } from '../api/types'
import { t } from '../i18n'
import { useSession } from '../session/session'
import { useToasts } from '../ui/toasts'
import { withAdvice } from './lastAdmin'

export function useRoleChange() {
  const session = useSession()
  const toasts = useToasts()
  /** The id of the user whose role is being changed. */
  const changing = ref<number | null>(null)

  async function changeRole(user: User, member_type: MemberType): Promise<void> {
    // A disabled switch would lose the focus, so a second change is ignored instead.
    if (changing.value !== null) return
    changing.value = user.id
    try {
      await dataOf(api.PATCH('/auth/users/{id}', { params: { path: { id: user.id } }, body: { member_type } }))
      toasts.success(t(`users.became.${member_type}`, { name: user.name }))
      // An admin who has become a member has to leave the page.
      if (user.id === session.user?.id) await session.loadUser()
    } catch (error) {
      toasts.problem(withAdvice(error))
    } finally {
      await queryClient.invalidateQueries({ queryKey: ['users'] })
      changing.value = null
    }
  }

  return { changing, changeRole }
}
