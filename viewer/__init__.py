"""The interactive viewer (extra ``viewer``)."""
