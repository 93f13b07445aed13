"""Pictures of the field from any camera under any light."""
