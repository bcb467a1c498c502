// Short names for the schemas of the OpenAPI document.
import type { components } from './schema'

type Schemas = components['schemas']

export type Budget = Schemas['Budget']
export type BudgetChange = Schemas['BudgetChange']
export type BuyingList = Schemas['BuyingList']
export type BuyingListLine = Schemas['BuyingListLine']
export type Channel = Schemas['Channel']
export type ChannelChange = Schemas['ChannelChange']
export type ChannelFields = Schemas['ChannelFields']
export type ChannelKind = Schemas['ChannelKind']
export type Currency = Schemas['Currency']
export type Delivery = Schemas['Delivery']
export type DeliveryStatus = Schemas['DeliveryStatus']
export type EventType = Schemas['EventType']
export type HistoryEntry = Schemas['HistoryEntry']
export type Invitation = Schemas['Invitation']
export type InvitationFields = Schemas['InvitationFields']
export type LiveEvent = Schemas['LiveEvent']
export type MemberType = Schemas['MemberType']
export type Money = Schemas['Amount']
export type Notification = Schemas['Notification']
export type NotificationPreferences = Schemas['NotificationPreferences']
export type OpenOrder = Schemas['OpenOrder']
export type Order = Schemas['Order']
export type OrderRequest = Schemas['OrderRequest']
export type OrderStatus = Schemas['OrderStatus']
export type PeriodSummary = Schemas['PeriodSummary']
export type Purchase = Schemas['Purchase']
export type ReactionResponse = Schemas['ReactionAnswer']
export type ReactionType = Schemas['ReactionType']
export type Session = Schemas['Session']
export type Shop = Schemas['Shop']
export type SignUpOptions = Schemas['SignUpOptions']
export type Snack = Schemas['Snack']
export type SnackStatistics = Schemas['SnackStatistics']
export type Summary = Schemas['Summary']
export type Tokens = Schemas['Tokens']
export type Unit = Schemas['Unit']
export type User = Schemas['User']

/** One page of a list. */
export interface Page<Row> {
  results: Row[]
  next_cursor?: string | null
}
