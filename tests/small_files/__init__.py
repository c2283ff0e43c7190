"""The small files that tests read: one place makes them all.

`raw` has headers and files byte by byte, `contexts` what fills pages and registers, `guests` files
for platforms, `built_guests` guests from the Builder, `sound_files` files of named headers that
break no rule, and `samples` files that have every header.
"""
