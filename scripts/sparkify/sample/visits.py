"""Simulate visits of users, and yield their events for the sample's logs.

Memory does not grow with the number of events.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from heapq import heappop, heappush, heapreplace
from itertools import pairwise
from typing import NamedTuple

from sparkify.sample.catalogue import Jukebox, log_json
from sparkify.sample.names import Dice, metro_area, person_name, user_agent, zipf_totals

HOUR = 3_600_000  # milliseconds, as `ts`
DAY = 24 * HOUR
MAX_WAIT = 600_000  # between two events of a visit; no song is longer

# Activity by UTC hour, with users in America, and by weekday from Monday.
HOUR_WEIGHTS = (
    *(9, 9, 8, 7, 8, 10, 11, 11, 12, 15, 17, 19),
    *(18, 21, 25, 28, 31, 29, 29, 21, 19, 16, 12, 11),
)
DAY_WEIGHTS = (10, 12, 13, 12, 12, 7, 6)

PAID_USER_SHARE = 0.22
PAID_USER_ACTIVITY = 3  # relative to a free user
TWICE_CHANGING_USERS = 3
ACCENTED_USER, ZIP_CODE_USER = 3, 5  # ranks by activity
MIN_USERS_WITH_SCRIPTS = 10


class Page(NamedTuple):
    """A page of the app, as JSON text."""

    name: str
    method: str = '"GET"'
    status: str = "200"


NEXT_SONG = Page('"NextSong"', '"PUT"')
HOME = Page('"Home"')
HELP = Page('"Help"')
ABOUT = Page('"About"')
SETTINGS = Page('"Settings"')
SAVE_SETTINGS = Page('"Save Settings"', '"PUT"', "307")
UPGRADE = Page('"Upgrade"')
SUBMIT_UPGRADE = Page('"Submit Upgrade"', '"PUT"', "307")
DOWNGRADE = Page('"Downgrade"')
SUBMIT_DOWNGRADE = Page('"Submit Downgrade"', '"PUT"', "307")
LOGIN = Page('"Login"', '"PUT"', "307")
LOGOUT = Page('"Logout"', '"PUT"', "307")
ERROR = Page('"Error"', status="404")

NEXT_SONG_SHARE = 0.92  # of the pages of a logged-in user
# Pages between songs, repeated by their frequency.
_ALL_PAGES = (*[HOME] * 30, *[LOGOUT] * 4, *[SETTINGS] * 4, *[HELP] * 2, ABOUT, ERROR)
FREE_PAGES = (*_ALL_PAGES, *[UPGRADE] * 4)
PAID_PAGES = (*_ALL_PAGES, *[DOWNGRADE] * 4)
LOGGED_OUT_PAGES = (*[HOME] * 3, *[LOGIN] * 6, ABOUT, HELP)
STRANGER_PAGES = (*[HOME] * 4, ABOUT, HELP)


class Identity(NamedTuple):
    """The user's fields of an event, as JSON text."""

    auth: str = '"Logged Out"'
    first_name: str = "null"
    gender: str = "null"
    last_name: str = "null"
    location: str = "null"
    registration: str = "null"
    user_agent: str = "null"
    user_id: str = '""'


LOGGED_OUT = Identity()


@dataclass(slots=True)
class User:
    """A user of the app, with planned changes of level."""

    identity: Identity
    level: str
    change_at: int  # the number of the visit in which the level changes
    later_changes: tuple[int, ...] = ()  # visits from each change to the next
    script: tuple[Page, ...] = ()  # the pages of a user with one visit
    returns_at_once: bool = False
    visit_count: int = 0
    active_count: int = 0

    def change_level(self, dice: Dice) -> None:
        """Change the level, and plan the next change."""
        self.level = "paid" if self.level == "free" else "free"
        gap, *later = self.later_changes or (40 + dice.below(200),)
        self.change_at = self.visit_count + gap
        self.later_changes = tuple(later)


def make_users(dice: Dice, count: int, start_ts: int) -> list[User]:
    """Return users, most active first, with ids from 1 to `count` in random order.

    The second to fourth users change their level twice, some others once. Of ten or
    more users, the last three have one visit with scripted pages.
    """
    ids = dice.shuffled(range(1, count + 1))
    users = [_make_user(dice, rank, ids[rank], start_ts) for rank in range(count)]
    for rank, user in enumerate(users[1 : 4 + count // 25]):
        user.change_at = 2
        if rank < TWICE_CHANGING_USERS:
            user.level = "free"
            user.later_changes = (2 + dice.below(2),)
    if count >= MIN_USERS_WITH_SCRIPTS:
        silent, upgraded, downgraded = users[-3:]
        silent.script = (HOME, SETTINGS, HOME, HELP, ABOUT, LOGOUT)
        # The last two events of these users have the same `ts` but another level, so
        # session_id or item_in_session decides.
        upgraded.script = (HOME, NEXT_SONG, UPGRADE, SUBMIT_UPGRADE)
        upgraded.level, upgraded.returns_at_once = "free", True
        downgraded.script = (HOME, NEXT_SONG, DOWNGRADE, SUBMIT_DOWNGRADE, HOME)
        downgraded.level = "paid"
    return users


def _make_user(dice: Dice, rank: int, user_id: int, start_ts: int) -> User:
    gender = "F" if dice.chance(0.55) else "M"
    first_name, last_name = person_name(dice, gender)
    location = metro_area(dice)
    if rank == ACCENTED_USER:
        first_name = f"{first_name[:2]}\u00e9{first_name[2:]}"
    if rank == ZIP_CODE_USER:
        location = str(dice.between(10_000, 99_999))
    return User(
        identity=Identity(
            auth='"Logged In"',
            first_name=log_json(first_name),
            gender=f'"{gender}"',
            last_name=log_json(last_name),
            location=log_json(location),
            registration=f"{start_ts - dice.between(1, 60 * DAY)}.0",
            user_agent=json.dumps(user_agent(dice)),
            user_id=f'"{user_id}"',
        ),
        level="paid" if dice.chance(PAID_USER_SHARE) else "free",
        change_at=30 + dice.below(300),
    )


@dataclass(slots=True)
class Visit:
    """A visit at its next event, with `left` remaining events."""

    user: User
    session: int
    ts: int
    left: int
    dice: Dice
    jukebox: Jukebox
    pages: list[Page]  # chosen pages, the next one last
    is_logged_in: bool = True
    logged_out_pages: tuple[Page, ...] = LOGGED_OUT_PAGES
    change_item: int | None = None  # the first event at which the level may change
    item: int = 0

    def next_event(self) -> str:
        """Return the line of the next event, and advance."""
        ts, item, level = self.ts, self.item, self.user.level
        who = self.user.identity if self.is_logged_in else LOGGED_OUT
        page = self._choose_page()
        artist = length = song = "null"
        if page is NEXT_SONG:
            artist, length, song, milliseconds = self.jukebox.draw()
            self._listen(milliseconds)
        else:
            self._look_at(page)
        self.item += 1
        self.left -= 1
        return (
            f'{{"artist":{artist},"auth":{who.auth},"firstName":{who.first_name},'
            f'"gender":{who.gender},"itemInSession":{item},"lastName":{who.last_name},'
            f'"length":{length},"level":"{level}","location":{who.location},'
            f'"method":{page.method},"page":{page.name},'
            f'"registration":{who.registration},"sessionId":{self.session},'
            f'"song":{song},"status":{page.status},"ts":{ts},'
            f'"userAgent":{who.user_agent},"userId":{who.user_id}}}'
        )

    def _choose_page(self) -> Page:
        if self.pages:
            return self.pages.pop()
        if not self.is_logged_in:
            return self.dice.pick(self.logged_out_pages)
        is_free = self.user.level == "free"
        if self.change_item is not None and self.item >= self.change_item:
            self.change_item = None
            self.pages.append(SUBMIT_UPGRADE if is_free else SUBMIT_DOWNGRADE)
            return UPGRADE if is_free else DOWNGRADE
        if self.dice.chance(NEXT_SONG_SHARE):
            return NEXT_SONG
        return self.dice.pick(FREE_PAGES if is_free else PAID_PAGES)

    def _listen(self, milliseconds: int) -> None:
        if self.dice.chance(0.06):  # skips the rest of the song
            self.ts += int(milliseconds * self.dice.random())
        else:
            self.ts += milliseconds + self.dice.below(3_000)

    def _look_at(self, page: Page) -> None:
        """Advance the time, and choose the pages that follow a page."""
        if page in (SUBMIT_UPGRADE, SUBMIT_DOWNGRADE):
            self.user.change_level(self.dice)
            self.pages = self.pages or [HOME]
            return  # the home page follows in the same millisecond
        if page is LOGOUT:
            self.is_logged_in = False
        elif page is LOGIN:
            self.is_logged_in = True
            self.pages.append(HOME)
        elif page is SETTINGS and self.dice.chance(0.2):
            self.pages.append(SAVE_SETTINGS)
        if not self.dice.chance(0.04):  # otherwise two events have the same `ts`
            luck = self.dice.random()
            self.ts += 1 + int(luck * luck * luck * 90_000)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The number of events, their days, and the share of plays that match."""

    events: int
    start: date
    days: int
    match_share: float

    @property
    def start_ts(self) -> int:
        """Return the start of the logs in milliseconds since 1970."""
        return (self.start - date(1970, 1, 1)).days * DAY

    @property
    def end_ts(self) -> int:
        """Return the exclusive end of the logs in milliseconds since 1970."""
        return self.start_ts + self.days * DAY

    def targets(self) -> Iterator[tuple[int, int]]:
        """Yield the start of each hour, and the number of events before its end."""
        first = self.start.weekday()
        weights = [
            DAY_WEIGHTS[(first + day) % 7] * weight
            for day in range(self.days)
            for weight in HOUR_WEIGHTS
        ]
        total, passed = sum(weights), 0
        for hour, weight in enumerate(weights):
            passed += weight
            yield self.start_ts + hour * HOUR, self.events * passed // total


@dataclass(slots=True)
class Simulation:
    """Simulates visits until the planned number of events is reached."""

    plan: Scenario
    dice: Dice
    users: list[User]
    jukebox: Jukebox
    _newcomers: list[User] = field(init=False)
    _regulars: list[User] = field(init=False)
    _activity: list[float] = field(init=False)
    _visits: list[tuple[int, int, Visit]] = field(default_factory=list)
    _visit_count: int = 7  # so that no session has id 0
    _planned: int = 0  # events of all started visits

    def __post_init__(self) -> None:
        """Plan one visit of each user, and more of users without a script."""
        self._newcomers = self.dice.shuffled(self.users)
        self._regulars = [user for user in self.users if not user.script]
        self._activity = []
        total = 0.0
        zipf = (0.0, *zipf_totals(len(self._regulars), offset=4))
        for user, (before, after) in zip(self._regulars, pairwise(zipf), strict=True):
            factor = PAID_USER_ACTIVITY if user.level == "paid" else 1
            total += (after - before) * factor
            self._activity.append(total)

    def events(self) -> Iterator[tuple[int, str]]:
        """Yield `ts` and line of each event, in the order of time."""
        visits = self._visits  # a heap, ordered by the next event
        for hour_start, target in self.plan.targets():
            while self._planned < target:
                self._begin(self._draw_user(), hour_start + self.dice.below(HOUR))
            while visits and visits[0][0] < hour_start + HOUR:
                ts, number, visit = visits[0]
                yield ts, visit.next_event()
                if visit.left:
                    heapreplace(visits, (visit.ts, number, visit))
                else:
                    heappop(visits)
                    self._finish(visit.user, ts)

    def _draw_user(self) -> User:
        """Return a random user, preferably without a running visit."""
        if self._newcomers and self._visit_count % 3 == 0:
            return self._newcomers.pop()
        user = self._regulars[self.dice.weighted(self._activity)]
        for _ in range(5):
            if not user.active_count:
                break
            user = self._regulars[self.dice.weighted(self._activity)]
        return user

    def _begin(self, user: User, ts: int, script: tuple[Page, ...] = ()) -> None:
        """Start a visit, with at most the remaining number of events."""
        if not script and not user.visit_count:
            script = user.script
        self._visit_count += 1
        user.visit_count += 1
        user.active_count += 1
        visit = Visit(
            user=user,
            # Session ids are not in the order of time.
            session=self._visit_count ^ 5,
            ts=ts,
            left=len(script),
            dice=self.dice,
            jukebox=self.jukebox,
            pages=list(reversed(script)),
        )
        if not script:
            self._open(visit)
        room = 1 + (self.plan.end_ts - 1 - ts) // MAX_WAIT
        visit.left = min(visit.left, room, self.plan.events - self._planned)
        self._planned += visit.left
        heappush(self._visits, (ts, self._visit_count, visit))

    def _open(self, visit: Visit) -> None:
        """Choose the length and the first pages of a visit without a script."""
        user, dice = visit.user, self.dice
        luck = dice.random()
        if user.level == "paid":
            visit.left = 2 + int(luck * luck * luck * 100)
        else:
            visit.left = 1 + int(luck * luck * 18)
        if user.visit_count >= user.change_at:
            visit.left = max(visit.left, 5)
            visit.change_item = visit.left // 3
        elif user.visit_count == 1:
            visit.pages = [HOME]  # logged in, so that every user has an event
        elif dice.chance(0.04):
            visit.is_logged_in = False
            visit.logged_out_pages = STRANGER_PAGES
            visit.left = dice.between(1, 3)
        elif dice.chance(0.1):
            visit.is_logged_in = False
            visit.pages = [LOGIN, HOME]
        elif dice.chance(0.35):
            visit.pages = [HOME]

    def _finish(self, user: User, ts: int) -> None:
        """End a visit. Sometimes the next one starts in the same millisecond."""
        user.active_count -= 1
        if self._planned == self.plan.events:
            return
        if user.returns_at_once:
            user.returns_at_once = False
            self._begin(user, ts, (HOME,))
        elif not user.script and self.dice.chance(0.02):
            self._begin(user, ts)
