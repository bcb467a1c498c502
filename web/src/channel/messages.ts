// The messages of the channels, which only admins need.
import { addMessages } from '../i18n'
import en from '../i18n/channels.en.json'
import ko from '../i18n/channels.ko.json'

addMessages({ ko, en })
