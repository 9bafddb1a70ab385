"""The arithmetic of transfab: every integer that hardware is held to is made here."""
