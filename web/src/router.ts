// The pages of the app and who may see them. Each page is loaded when it is first opened.
import { START_LOCATION, createRouter, createWebHistory } from 'vue-router'

import { PREFIX } from './api/server'
import { keepCode } from './auth/oidcCode'
import { t } from './i18n'
import { useSession } from './session/session'
import { recordNavigation } from './ui/navigation'
import { useToasts } from './ui/toasts'

declare module 'vue-router' {
  interface RouteMeta {
    /** The title of the window: a key of the messages. */
    title: string
    /** Shown to users who are not signed in, and only to them. */
    isForGuests?: boolean
    isForAdmins?: boolean
    /** Shown to everybody, signed in or not. */
    isPublic?: boolean
    /** Shows the cart. */
    hasCart?: boolean
  }
}

const history = createWebHistory(`${PREFIX}/app/`)
keepCode(history)

export const router = createRouter({
  history,
  routes: [
    { path: '/', redirect: '/orders' },
    {
      path: '/sign-in',
      component: () => import('./auth/SignInPage.vue'),
      meta: { title: 'signIn.title', isForGuests: true },
    },
    {
      path: '/sign-up',
      component: () => import('./auth/SignUpPage.vue'),
      meta: { title: 'signUp.title', isForGuests: true },
    },
    {
      path: '/forgot-password',
      component: () => import('./auth/ForgotPasswordPage.vue'),
      meta: { title: 'forgotPassword.title', isForGuests: true },
    },
    {
      path: '/reset-password',
      component: () => import('./auth/ResetPasswordPage.vue'),
      meta: { title: 'resetPassword.title', isPublic: true },
    },
    {
      path: '/orders',
      component: () => import('./order/OrderListPage.vue'),
      meta: { title: 'orders.title' },
    },
    {
      path: '/orders/:uid',
      component: () => import('./order/OrderPage.vue'),
      props: true,
      meta: { title: 'order.title' },
    },
    {
      path: '/snacks',
      component: () => import('./snack/SnackListPage.vue'),
      meta: { title: 'snacks.title', hasCart: true },
    },
    {
      path: '/snacks/:uid',
      component: () => import('./snack/SnackPage.vue'),
      props: true,
      meta: { title: 'snack.title', hasCart: true },
    },
    {
      path: '/statistics',
      component: () => import('./statistics/StatisticsPage.vue'),
      meta: { title: 'statistics.title' },
    },
    {
      path: '/desk',
      component: () => import('./desk/DeskPage.vue'),
      meta: { title: 'desk.title', isForAdmins: true },
    },
    {
      path: '/buying-list',
      component: () => import('./desk/BuyingListPage.vue'),
      meta: { title: 'buyingList.title', isForAdmins: true },
    },
    {
      path: '/channels',
      component: () => import('./channel/ChannelListPage.vue'),
      meta: { title: 'channels.title', isForAdmins: true },
    },
    {
      path: '/channels/:id(\\d+)/deliveries',
      component: () => import('./channel/DeliveryListPage.vue'),
      props: (route) => ({ id: Number(route.params.id) }),
      meta: { title: 'deliveries.title', isForAdmins: true },
    },
    { path: '/budgets', component: () => import('./budget/BudgetPage.vue'), meta: { title: 'budget.title' } },
    {
      path: '/users',
      component: () => import('./auth/UserListPage.vue'),
      meta: { title: 'users.title', isForAdmins: true },
    },
    {
      path: '/notifications',
      component: () => import('./notification/NotificationListPage.vue'),
      meta: { title: 'notifications.title' },
    },
    { path: '/profile', component: () => import('./auth/ProfilePage.vue'), meta: { title: 'profile.title' } },
    { path: '/:path(.*)*', component: () => import('./NotFoundPage.vue'), meta: { title: 'notFound.title' } },
  ],
  scrollBehavior(to, from, saved) {
    // A change of the filters keeps the position. The first page is at the top anyway.
    return saved ?? (to.path === from.path || from === START_LOCATION ? false : { top: 0 })
  },
})

router.beforeEach(async (to) => {
  const session = useSession()
  if (to.meta.isForGuests) return session.isSignedIn ? returnTo(to.query.returnTo) : true
  if (to.meta.isPublic) return true
  if (!session.isSignedIn) return { path: '/sign-in', query: { returnTo: to.fullPath } }
  if (!to.meta.isForAdmins || session.isAdmin) return true
  // The role may have changed or not be loaded yet.
  const user = await session.loadUser().catch(() => null)
  if (user?.member_type === 'admin') return true
  if (session.isSignedIn) useToasts().failure(t('admins.only'))
  return '/orders'
})

router.afterEach((to, from) => {
  if (from !== START_LOCATION) recordNavigation()
  if (to.path === from.path) return
  useToasts().leavePage()
  document.title = `${t(to.meta.title)} · ${t('app.name')}`
})

// The script of a page could not be loaded: the network is down, or a new version of the app has replaced it.
router.onError((_error, to) => {
  const reloaded = 'snack.reloaded'
  if (navigator.onLine && sessionStorage.getItem(reloaded) !== to.fullPath) {
    sessionStorage.setItem(reloaded, to.fullPath)
    location.assign(router.resolve(to).href)
  } else {
    useToasts().failure(t('problem.network'))
  }
})

/** The page after the sign-in: always one of this app, because anybody can write the address. */
export function returnTo(query: unknown): string {
  return typeof query === 'string' && /^\/(?!\/)/.test(query) ? query : '/orders'
}
