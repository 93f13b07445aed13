"""The radiance field: signed distance = fitted head + learned residual, albedo, normal, small residual colour."""
