"""The channels of alerts beside the records, by name. A further channel is a module here and a line in `CHANNELS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nightshift.alerts.alert import Alert
from nightshift.alerts.channels.mail import mail
from nightshift.alerts.channels.sns import sns
from nightshift.alerts.channels.webhook import webhook
from nightshift.settings import AlertSettings

Send = Callable[[Alert], None]

# Each gives the function that sends an alert, or None if the settings do not configure the channel.
CHANNELS: Mapping[str, Callable[[AlertSettings], Send | None]] = {"webhook": webhook, "mail": mail, "sns": sns}
